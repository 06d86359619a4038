"""npm's imapflow, a client that no one here wrote; skipped without node."""
import json
import shutil
import subprocess

import pytest

import kp
from kp import mail

SCRIPT = r"""
const { ImapFlow } = require('imapflow');
const fs = require('fs');
const [port, user, pass, ca] = process.argv.slice(2);
const seen = {};

async function main() {
    const client = new ImapFlow({
        host: 'localhost', port: Number(port), secure: true, logger: false,
        auth: { user, pass }, tls: { ca: fs.readFileSync(ca) },
        qresync: true
    });
    await client.connect();
    seen.capabilities = [...client.capabilities.keys()];
    seen.enabled = [...client.enabled];
    seen.folders = (await client.list({ statusQuery: { messages: true } }))
        .map(f => [f.path, f.specialUse || '', f.status.messages]);
    await client.mailboxCreate('Gr\u00fc\u00dfe & mehr');
    const box = await client.mailboxOpen('INBOX');
    seen.exists = box.exists;
    seen.mailboxId = box.mailboxId;
    seen.messages = [];
    for await (const m of client.fetch('1:*', { uid: true, envelope: true,
        flags: true, bodyStructure: true, size: true, threadId: true,
        source: true }))
        seen.messages.push([m.uid, m.envelope.subject, m.emailId,
            m.threadId, m.bodyStructure.type, m.size === m.source.length]);
    await client.messageFlagsAdd('1', ['\\Flagged', 'work']);
    seen.flagged = await client.search({ flagged: true });
    seen.found = await client.search({ subject: 'second' }, { uid: true });
    const heard = new Promise(done => client.on('exists', done));
    seen.idling = client.idle();
    console.log('READY');
    seen.heard = (await heard).count;
    delete seen.idling;
    seen.appended = (await client.append('Gr\u00fc\u00dfe & mehr',
        'Subject: mine\r\n\r\nHello\r\n', ['\\Seen'])).uid;
    const moved = await client.messageMove('2', 'Archive', { uid: true });
    seen.moved = [...moved.uidMap];
    await client.messageDelete('1');
    seen.left = client.mailbox.exists;
    seen.status = await client.status('Archive', { messages: true,
        unseen: true, uidNext: true, highestModseq: true });
    seen.status.highestModseq = Number(seen.status.highestModseq) > 0;
    await client.mailboxRename('Gr\u00fc\u00dfe & mehr', '\u00dc');
    await client.mailboxDelete('\u00dc');
    await client.logout();
    console.log(JSON.stringify(seen));
}
main().catch(e => { console.log('FAILED ' + e.stack); process.exit(1); });
"""


@pytest.fixture(scope="module")
def imapflow():
    """A folder with the package in it."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("there is no node")
    folder = kp.new_dir("imapflow")
    try:
        subprocess.run(["npm", "install", "--no-audit", "--no-fund",
                        "--ignore-scripts", "imapflow"], cwd=folder,
                       timeout=60, check=True, capture_output=True)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("imapflow could not be had")
    with open(f"{folder}/client.js", "w") as f:
        f.write(SCRIPT)
    return folder


def test_imapflow_reads_idles_and_moves(server, user, imapflow):
    server.deliver(user, mail("first"))
    server.deliver(user, mail("second"))
    client = subprocess.Popen(
        ["node", "client.js", str(server.ports["imaps"]), user.address,
         user.password, server.cert], cwd=imapflow, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        ready = client.stdout.readline()
        assert ready == "READY\n", ready + client.stdout.read()
        server.deliver(user, mail("third"))
        said, _ = client.communicate(timeout=kp.T)
    finally:
        client.kill()
    assert client.returncode == 0, said
    seen = json.loads(said)
    assert "CONDSTORE" in seen["enabled"]
    assert ["INBOX", "\\Inbox", 2] in seen["folders"]
    assert any(f[1] == "\\Sent" for f in seen["folders"])
    assert seen["mailboxId"].startswith("F")
    assert [m[:2] for m in seen["messages"]] == [[1, "first"], [2, "second"]]
    for m in seen["messages"]:
        assert m[2].startswith("M") and m[3].startswith("T")
        assert m[4:] == ["text/plain", True]
    assert (seen["exists"], seen["heard"]) == (2, 3)
    assert (seen["flagged"], seen["found"]) == ([1], [2])
    assert seen["appended"] == 1
    assert seen["moved"] == [[2, 1]]
    assert seen["left"] == 1
    assert seen["status"] == {
        "path": "Archive", "messages": 1, "unseen": 1, "uidNext": 2,
        "highestModseq": True}
