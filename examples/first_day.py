"""A company's first day, step by step: people from the directory, sign-in at the identity provider, documents from
a folder and by upload, questions over REST and MCP, somebody leaves, and an auditor looks.

    CLEARANCE_HOME=… python examples/first_day.py --url http://127.0.0.1:8080 --tokens tokens.json --folder handbook

`clearance serve` and `clearance worker` run with that home, and its settings name an identity provider `corp`
(docs/sign-in.md). tokens.json holds access tokens of two of its people: {"ada": "…", "bob": "…"}. The folder gets an
invented handbook. Each step says what it did, and the script ends at the first that went otherwise.
"""

import argparse
import asyncio
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

QUESTION = "When does the office in Port Ellery close in winter?"
HOURS = (
    "Opening hours\n\nThe office in Port Ellery closes at four in winter and at six in summer.\n"
)
PAY = "Pay\n\nSalaries of the office in Port Ellery rise by three per cent in March.\n"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
UPLOAD_LIMIT_S = 120.0


class Company:
    """What a step needs of the installation."""

    def __init__(self, url: str, tokens: dict[str, str], folder: Path) -> None:
        self.url = url
        self.tokens = tokens
        self.folder = folder
        self.ids: dict[str, str] = {}  # of the directory, by name

    def http(self, bearer: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {bearer}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def person(self, name: str) -> httpx2.Client:
        """Somebody with a token of the identity provider."""
        return self.http(self.tokens[name])

    def key(self, user: str, *scopes: str) -> str:
        """A key for a program, made on the command line."""
        clearance("users", "add", user)
        options = [word for scope in scopes for word in ("--scope", scope)]
        return clearance("keys", "issue", user, *options).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    tokens = json.loads(given.tokens.read_text(encoding="utf-8"))
    company = Company(given.url, tokens, given.folder.absolute())
    directory = company.http(company.key("directory", "people"))
    bring_people(company, directory)
    link_people(company)
    keep_handbook(company)
    upload_pay(company)
    answer = ask(company)
    ask_as_assistant(company)
    let_go(company, directory)
    audit(company, answer)


def bring_people(company: Company, directory: httpx2.Client) -> None:
    for name in ("ada", "bob"):
        user = {"schemas": [USER], "userName": name, "externalId": f"person-{name}", "active": True}
        company.ids[name] = expect(directory.post("/scim/v2/Users", json=user), 201)["id"]
    for group, members in {"staff": ("ada", "bob"), "pay": ("ada",)}.items():
        inside = [{"value": company.ids[name]} for name in members]
        made = {"schemas": [GROUP], "displayName": group, "members": inside}
        expect(directory.post("/scim/v2/Groups", json=made), 201)
    say("The directory brought ada and bob, the group staff, and the group pay with ada alone.")


def link_people(company: Company) -> None:
    for name in ("ada", "bob"):
        clearance("users", "link", name, "--provider", "corp", "--subject", name)
        who = expect(company.person(name).get("/whoami"))["name"]
        check(who == f"user:{name}", f"{name} came with a token as {who}")
    say("Both came with tokens of their identity provider.")


def keep_handbook(company: Company) -> None:
    company.folder.mkdir(parents=True, exist_ok=True)
    (company.folder / "hours.md").write_text(HOURS, encoding="utf-8")
    readers = ["--allow", "group:staff", "--allow", "group:pay"]
    clearance("sources", "add", "handbook", str(company.folder), *readers)
    clearance("sources", "writers", "handbook", "--allow", "user:editor")
    clearance("ingest", str(company.folder))
    say("The handbook was read from its folder, for all of staff.")


def upload_pay(company: Company) -> None:
    editor = company.http(company.key("editor", "ask", "ingest"))
    form = {"source": "handbook", "path": "pay.md", "allow": "group:pay"}
    sent = editor.post("/documents", data=form, files={"file": ("pay.md", PAY.encode())})
    job = expect(sent, 202)["job"]
    ended = wait_for_job(editor, job)
    check(ended["state"] == "done", f"the upload ended so: {ended}")
    check(editor.get("/documents").json()["documents"] == [], "who brings a document in reads none")
    say("An editor uploaded what is paid, for the group pay alone, and reads none of it.")


def wait_for_job(editor: httpx2.Client, job: str) -> dict[str, Any]:
    until = time.monotonic() + UPLOAD_LIMIT_S
    while time.monotonic() < until:
        told = expect(editor.get(f"/jobs/{job}"))
        if told["state"] not in ("queued", "running"):
            return told
        time.sleep(0.5)
    raise SystemExit("No worker took the upload: is `clearance worker` running?")


def ask(company: Company) -> str:
    """Returns the id of ada's answer."""
    question = {"question": QUESTION, "answerer": "quotes"}
    told = {
        name: expect(company.person(name).post("/ask", json=question)) for name in ("ada", "bob")
    }
    for name in ("ada", "bob"):
        check("four in winter" in told[name]["answer"], f"{name} was told: {told[name]['answer']}")
    found = {name: paths(company, name) for name in ("ada", "bob")}
    check("handbook/pay.md" in found["ada"], f"ada finds {found['ada']}")
    check("handbook/pay.md" not in found["bob"], f"bob finds {found['bob']}")
    say("Both asked when the office closes. Only ada finds what is paid; to bob it does not exist.")
    return str(told["ada"]["answer_id"])


def paths(company: Company, name: str) -> set[str]:
    question = {"question": "What is paid in Port Ellery?"}
    found = expect(company.person(name).post("/search", json=question))
    return {hit["path"] for hit in found["passages"]}


def ask_as_assistant(company: Company) -> None:
    found = {name: asyncio.run(call_search(company, name)) for name in ("ada", "bob")}
    check(found["ada"] - found["bob"] == {"pay"}, f"over MCP they find {found}")
    say("Their assistants find the same over MCP.")


async def call_search(company: Company, name: str) -> set[str]:
    headers = {"Authorization": f"Bearer {company.tokens[name]}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        transport = streamable_http_client(f"{company.url}/mcp", http_client=http)
        async with Client(transport, cache=None) as client:
            result = await client.call_tool("search", {"query": "pay and opening hours"})
    return {found["title"] for found in result.structured_content["results"]}


def let_go(company: Company, directory: httpx2.Client) -> None:
    expect(directory.delete(f"/scim/v2/Users/{company.ids['ada']}"), 204)
    refused = company.person("ada").post("/search", json={"question": QUESTION})
    check(refused.status_code == 401, f"ada left and got {refused.status_code}")
    expect(company.person("bob").post("/search", json={"question": QUESTION}))
    say("ada left the company: the directory said so, and her token opens nothing any more.")


def audit(company: Company, answer: str) -> None:
    clearance("audit", "verify")
    auditor = company.http(company.key("auditor", "audit"))
    lines = auditor.get("/admin/audit/events").text.splitlines()
    saw = [event for event in map(json.loads, lines) if event["unmapped"].get("answer") == answer]
    check(
        {event["actor"]["user"]["name"] for event in saw} == {"user:ada"}, f"of the answer: {saw}"
    )
    replayed = clearance("replay", answer)
    check("may not read it now" in replayed, replayed)
    check("four in winter" not in replayed, "a text was shown to somebody who left")
    say(
        "The record is whole, and tells what ada saw. What she may not read any more is told without its text."
    )


def clearance(*words: str) -> str:
    done = subprocess.run(["clearance", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"clearance {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout


def expect(response: httpx2.Response, status: int = 200) -> Any:
    """The body of a response with this status."""
    if response.status_code != status:
        raise SystemExit(f"{response.request.url}: {response.status_code} {response.text}")
    return response.json() if response.content else None


def check(held: bool, told: str) -> None:
    if not held:
        raise SystemExit(f"This is not as it should be: {told}")


def say(text: str) -> None:
    print(f"- {text}", flush=True)


if __name__ == "__main__":
    main()
