// Conversations that a person keeps in this browser. Nothing of them goes to the service. They lie in the browser's own
// database, each with the name of whoever kept it, and nobody else's are ever read.

const DATABASE = "clearance";
const STORE = "conversations";
const BY_PERSON = "person";

export class Kept {
  constructor(person, memory) {
    this.person = person;
    this.memory = memory; // says whether this person wants it
  }

  get wanted() {
    return this.memory.get("keep") === true;
  }

  /** Raises if the browser keeps nothing. */
  async begin() {
    (await opened()).close();
    this.memory.set("keep", true);
  }

  /** Keeps nothing from now on, and deletes what was kept. */
  async end() {
    this.memory.set("keep", undefined);
    this.memory.set("after", undefined);
    await this.clear();
  }

  /** All of this person's, the latest first. */
  async list() {
    if (!this.wanted) return [];
    const found = await using("readonly", (store) => store.index(BY_PERSON).getAll(this.person));
    return found.sort((one, other) => other.at - one.at);
  }

  /** `conversation`: {id, at, title, turns}. A name that was given stays. */
  async put(conversation) {
    if (!this.wanted) return;
    const before = await this.find(conversation.id);
    if (!this.wanted) return; // it was switched off meanwhile
    const title = before?.renamed ? before.title : conversation.title;
    await this.#write({ ...conversation, title, renamed: before?.renamed ?? false });
  }

  async find(id) {
    const found = await using("readonly", (store) => store.get(id));
    return found?.person === this.person ? found : null;
  }

  async rename(id, title) {
    const found = await this.find(id);
    if (found) await this.#write({ ...found, title, renamed: true });
  }

  async remove(id) {
    if (await this.find(id)) await using("readwrite", (store) => store.delete(id));
  }

  async clear() {
    const ids = await using("readonly", (store) => store.index(BY_PERSON).getAllKeys(this.person));
    for (const id of ids) await using("readwrite", (store) => store.delete(id));
  }

  #write(conversation) {
    return using("readwrite", (store) => store.put({ ...conversation, person: this.person }));
  }
}

/** An id that no other conversation has. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function using(mode, work) {
  const database = await opened();
  try {
    const transaction = database.transaction(STORE, mode);
    const result = await settled(work(transaction.objectStore(STORE)));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
      if (mode === "readonly") resolve();
    });
    return result;
  } finally {
    database.close();
  }
}

function opened() {
  const asked = indexedDB.open(DATABASE, 1);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore(STORE, { keyPath: "id" }).createIndex(BY_PERSON, BY_PERSON);
  };
  return settled(asked);
}

function settled(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
