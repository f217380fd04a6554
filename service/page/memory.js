// What this browser remembers of one person: how they want to be answered, and whether conversations are kept. Signing out
// forgets it, unless they chose otherwise.

const PREFIX = "clearance.of:";

export class Memory {
  constructor(person) {
    this.name = PREFIX + person;
    this.held = {}; // where the browser keeps nothing
  }

  get(key) {
    return this.#read()[key];
  }

  /** undefined takes a value away. */
  set(key, value) {
    const all = { ...this.#read(), [key]: value };
    this.held = all;
    try {
      if (Object.values(all).some((each) => each !== undefined)) localStorage.setItem(this.name, JSON.stringify(all));
      else localStorage.removeItem(this.name);
    } catch {
      // it is known until the page is closed
    }
  }

  forget() {
    this.held = {};
    try {
      localStorage.removeItem(this.name);
    } catch {
      // nothing was kept
    }
  }

  /** Read anew each time: another tab may have changed it. */
  #read() {
    try {
      return JSON.parse(localStorage.getItem(this.name) ?? "{}");
    } catch {
      return this.held;
    }
  }
}
