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

/** What comes of an answer, piece by piece. */
class Incoming {
  #reader;
  #rest = new Uint8Array();

  constructor(body) { this.#reader = body.getReader(); }

  /** The bytes up to the next end of a line, without it; null if there are no more. */
  async line() {
    for (let looked = 0; ;) {
      const end = this.#rest.indexOf(10, looked);
      if (end >= 0) return this.#taken(end, 1);
      looked = this.#rest.length;
      if (!await this.#more()) return null;
    }
  }

  /** So many bytes. */
  async bytes(size) {
    while (this.#rest.length < size) if (!await this.#more()) throw new Refusal("the studio's answer broke off; try again");
    return this.#taken(size, 0);
  }

  end() { this.#reader.cancel().catch(() => {}); }

  async #more() {
    const { value, done } = await this.#reader.read();
    if (done) return false;
    const joined = new Uint8Array(this.#rest.length + value.length);
    joined.set(this.#rest);
    joined.set(value, this.#rest.length);
    this.#rest = joined;
    return true;
  }

  #taken(size, over) {
    const taken = this.#rest.slice(0, size);
    this.#rest = this.#rest.subarray(size + over);
    return taken;
  }
}

/**
 * The messages of a job, one by one, which is asked for at once. Ending the loop, or aborting the signal, cancels it.
 * A message is a line of JSON; what it has as `bytes` follows it, as many as the line says.
 */
export const job = (kind, order, signal) => streamed(`/api/jobs/${kind}`, order, signal);

/** The same of another address than a job's. */
export const streamed = (path, order, signal) => {
  const answer = reach(path, {
    method: "POST", body: JSON.stringify(order), headers: { "content-type": "application/json" }, signal,
  });
  answer.catch(() => {});            // whoever takes the messages hears of it
  return messages(answer);
};

async function* messages(answer) {
  const incoming = new Incoming((await answer).body), words = new TextDecoder();
  try {
    for (let line; (line = await incoming.line()) !== null;) {
      const message = JSON.parse(words.decode(line));
      if (message.error) throw new Refusal(message.error);
      if (message.bytes) message.bytes = await incoming.bytes(message.bytes);
      yield message;
    }
  } finally {
    incoming.end();
  }
}

/** The last message of a job. */
export const ask = async (kind, order, signal) => {
  let last = null;
  for await (const message of job(kind, order, signal)) last = message;
  return last;
};
