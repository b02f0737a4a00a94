// Publishing over HTTP: a request of its own, beside whatever brings the messages.

/** POST { text, name } to url/messages. A promise of the message that it became; rejects with the server's words. */
export async function post(url, publication) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${url}/messages`, { method: "POST", headers, body: JSON.stringify(publication) });
  const message = await response.json();
  if (!response.ok) throw new Error(message.error);
  return message;
}
