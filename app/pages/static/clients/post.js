// Publishing over HTTP: a request of its own, beside whatever brings the messages.

/** POST { text, name } to url/messages. A promise of the message that it became; rejects with the server's words. */
export async function post(url, publication) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${url}/messages`, { method: "POST", headers, body: JSON.stringify(publication) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}
