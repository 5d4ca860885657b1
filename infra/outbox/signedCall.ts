/**
 * One call of DynamoDB or Kinesis past the middleware of its client, for what is said ten times a second and is always the
 * same: for a batch of 25 items the client takes some milliseconds of a full node (schemas, endpoint rules, its own JSON),
 * this a part of that. Signature, sockets, timeouts and credentials are those of the client's own libraries.
 */
import { HttpRequest } from '@smithy/core/protocols';
import { Hash } from '@smithy/core/serde';
import type { NodeHttpHandler } from '@smithy/node-http-handler';
import { SignatureV4 } from '@smithy/signature-v4';
import type { awsClientConfig } from './awsClient.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** How the services name their operations, and the JSON that they speak. */
const SERVICES = {
  dynamodb: { target: 'DynamoDB_20120810', type: 'application/x-amz-json-1.0' },
  kinesis: { target: 'Kinesis_20131202', type: 'application/x-amz-json-1.1' },
} as const;

export interface SignedCallOptions {
  readonly service: keyof typeof SERVICES;
  /** `http://host:port` or `https://host`. */
  readonly endpoint: string;
  readonly region: string;
  /** Asked for each call: roles give new ones from time to time. */
  readonly credentials: () => Promise<Credentials>;
  /** Sockets and timeouts: the client's own. Whoever made it ends it. */
  readonly handler: NodeHttpHandler;
}

class Sha256 extends Hash {
  constructor(secret?: ConstructorParameters<typeof Hash>[1]) {
    super('sha256', secret);
  }
}

/** GetRecords answers with 10 MB, a third more in base 64; more is not read. */
const ANSWER_BYTES_MAX = 16 * 1_048_576;

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

/** With the endpoint, the sockets and the credentials of a client that was made with this configuration. */
export const signedCallOf = (
  service: keyof typeof SERVICES,
  { config: resolved }: { readonly config: Pick<SignedCallOptions, 'credentials'> },
  { endpoint, region, requestHandler: handler }: ReturnType<typeof awsClientConfig>,
): SignedCall =>
  new SignedCall({ service, endpoint, region, handler, credentials: () => resolved.credentials() });

export class SignedCall {
  readonly #url: URL;
  readonly #service: (typeof SERVICES)[keyof typeof SERVICES];
  readonly #signer: SignatureV4;
  readonly #handler: NodeHttpHandler;
  /** By so much the service's clock is ahead of that of this machine: it refuses what was signed minutes ago, or will be. */
  #aheadMs = 0;

  constructor({ service, endpoint, region, credentials, handler }: SignedCallOptions) {
    this.#url = new URL(endpoint);
    this.#service = SERVICES[service];
    this.#signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
    this.#handler = handler;
  }

  /** @throws what the client of AWS throws, by its name; `Error` for everything that is not the service's own */
  async call(operation: string, body: string, signal: AbortSignal): Promise<unknown> {
    const { protocol, hostname, port, host } = this.#url;
    const request = new HttpRequest({
      method: 'POST',
      protocol,
      hostname,
      ...(port !== '' && { port: Number(port) }),
      path: '/',
      headers: {
        host,
        'content-type': this.#service.type,
        'content-length': String(Buffer.byteLength(body)),
        'x-amz-target': `${this.#service.target}.${operation}`,
      },
      body,
    });
    const signingDate = new Date(Date.now() + this.#aheadMs);
    const signed = (await this.#signer.sign(request, { signingDate })) as HttpRequest;
    const { response } = await this.#handler.handle(signed, { abortSignal: signal });
    const theirMs = Date.parse(response.headers.date ?? '');
    if (!Number.isNaN(theirMs)) this.#aheadMs = theirMs - Date.now();
    const text = await read(response.body as NodeJS.ReadableStream);
    if (response.statusCode !== 200) throw failed(response.statusCode, text);
    return JSON.parse(text);
  }
}

const read = async (answer: NodeJS.ReadableStream): Promise<string> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
};
