// What the page asks of the server. A job answers in messages, as they come; a refusal is an Error with the server's sentence.

export class Refusal extends Error {}

const sentenceOf = async answer => {
  try { return (await answer.json()).error; } catch { return `the studio answered with ${answer.status}`; }
};

const reach = async (path, options) => {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("the studio does not answer; is melody studio still running?");
  }
  if (!answer.ok) throw new Refusal(await sentenceOf(answer));
  return answer;
};

export const get = async path => (await reach(path)).json();

export const send = async (path, body, type = "application/json", method = "POST") => {
  const content = type === "application/json" ? JSON.stringify(body) : body;
  return (await reach(path, { method, body: content, headers: { "content-type": type } })).json();
};

/** The messages of a job, one by one. Ending the loop, or aborting the signal, cancels the job. */
export async function* job(kind, order, signal) {
  const answer = await reach(`/api/jobs/${kind}`, {
    method: "POST", body: JSON.stringify(order), headers: { "content-type": "application/json" }, signal,
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const message = JSON.parse(line);
        if (message.error) throw new Refusal(message.error);
        yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The last message of a job. */
export const ask = async (kind, order, signal) => {
  let last = null;
  for await (const message of job(kind, order, signal)) last = message;
  return last;
};
