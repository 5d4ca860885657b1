/**
 * One call of DynamoDB without the client of AWS, for what is said ten times a second and is always the same: the client
 * takes some milliseconds of a full node for a batch of 25 items (schemas, middleware, endpoint rules, its own JSON), this a
 * fraction of one. Address, credentials and everything else that is said stay the client's.
 *
 * Signature Version 4 as AWS documents it; the test takes the documented values, and asks the client for its own.
 */
import { createHash, createHmac, type Hmac } from 'node:crypto';
import { Agent as HttpAgent, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface SignedCallOptions {
  /** `http://host:port` or `https://host`. */
  readonly endpoint: string;
  readonly region: string;
  /** Asked for each call: roles give new ones from time to time. */
  readonly credentials: () => Promise<Credentials>;
  /** A call is given up after so long. */
  readonly requestMsMax: number;
}

/** Answers are short; more is not read. */
const ANSWER_BYTES_MAX = 1_048_576;
const SERVICE = 'dynamodb';
const TYPE = 'application/x-amz-json-1.0';
const API = 'DynamoDB_20120810';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Hmac => createHmac('sha256', key).update(text);

/** The key of a day, region and service. */
export const signingKey = (secret: string, day: string, region: string, service: string): Buffer =>
  [region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => hmac(key, part).digest(),
    hmac(`AWS4${secret}`, day).digest(),
  );

/** Signature of a POST to `/`. `headers`: names in small letters, in their order; `at`: `20260101T120000Z`. */
export const signatureOf = (
  key: Buffer,
  scope: string,
  at: string,
  headers: readonly (readonly [name: string, value: string])[],
  body: string,
): string => {
  const lines = headers.map(([name, value]) => `${name}:${value}\n`).join('');
  const names = headers.map(([name]) => name).join(';');
  const asked = `POST\n/\n\n${lines}\n${names}\n${sha256(body)}`;
  return hmac(key, `AWS4-HMAC-SHA256\n${at}\n${scope}\n${sha256(asked)}`).digest('hex');
};

/** An error as the client of AWS would throw it: by its name, with the status of the answer. */
const failed = (status: number, text: string): Error => {
  let name = 'Error';
  try {
    const { __type = '' } = JSON.parse(text) as { __type?: string };
    name = __type.slice(__type.lastIndexOf('#') + 1) || name;
  } catch {
    // a proxy in between, which says its own
  }
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } });
};

export class SignedCall {
  readonly #options: SignedCallOptions;
  readonly #url: URL;
  readonly #agent: HttpAgent;
  #key: { readonly of: string; readonly key: Buffer } | null = null;

  constructor(options: SignedCallOptions) {
    this.#options = options;
    this.#url = new URL(options.endpoint);
    this.#agent = new (this.#url.protocol === 'https:' ? SecureAgent : HttpAgent)({ keepAlive: true });
  }

  /** @throws what the client of AWS throws, by its name; `Error` for everything that is not the service's own */
  async call(operation: string, body: string, signal: AbortSignal): Promise<unknown> {
    const headers = this.#signed(operation, body, await this.#options.credentials(), new Date());
    return this.#sent(headers, body, signal);
  }

  close(): void {
    this.#agent.destroy();
  }

  #signed(operation: string, body: string, credentials: Credentials, now: Date): Record<string, string> {
    const at = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const day = at.slice(0, 8);
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const { region } = this.#options;
    const of = `${secretAccessKey} ${day}`;
    if (this.#key?.of !== of) this.#key = { of, key: signingKey(secretAccessKey, day, region, SERVICE) };
    const headers: [string, string][] = [
      ['content-type', TYPE],
      ['host', this.#url.host],
      ['x-amz-date', at],
      ...(sessionToken === undefined ? [] : ([['x-amz-security-token', sessionToken]] as [string, string][])),
      ['x-amz-target', `${API}.${operation}`],
    ];
    const scope = `${day}/${region}/${SERVICE}/aws4_request`;
    const signature = signatureOf(this.#key.key, scope, at, headers, body);
    const names = headers.map(([name]) => name).join(';');
    const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
    const length = String(Buffer.byteLength(body));
    return { ...Object.fromEntries(headers), 'content-length': length, authorization };
  }

  #sent(headers: Record<string, string>, body: string, signal: AbortSignal): Promise<unknown> {
    const { requestMsMax } = this.#options;
    const start = this.#url.protocol === 'https:' ? secureRequest : plainRequest;
    return new Promise((resolve, reject) => {
      const asked = start(this.#url, { method: 'POST', agent: this.#agent, headers, signal }, answer => {
        read(answer).then(resolve, reject);
      });
      asked.setTimeout(requestMsMax, () => asked.destroy(new Error('TimeoutError')));
      asked.once('error', reject);
      asked.end(body);
    });
  }
}

const read = async (answer: IncomingMessage): Promise<unknown> => {
  let text = '';
  answer.setEncoding('utf8');
  for await (const part of answer) {
    text += part;
    if (text.length > ANSWER_BYTES_MAX) throw new Error('an answer without end');
  }
  if (answer.statusCode !== 200) throw failed(answer.statusCode ?? 0, text);
  return JSON.parse(text);
};
