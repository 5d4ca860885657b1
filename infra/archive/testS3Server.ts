/**
 * A bucket in memory that speaks the part of S3's protocol that {@link S3Store} uses, over http. A help of tests only: it
 * checks no signature. It can be told to fail the next requests.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestS3 {
  readonly endpoint: string;
  readonly objects: Map<string, Buffer>;
  /** The status that the next requests are answered with; empty for the truth. */
  readonly failing: number[];
  /** Keys of what lies in a cold tier. */
  readonly cold: Set<string>;
  /** Keys in one page of a list. */
  pageKeys: number;
  close(): Promise<void>;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export async function testS3(bucket: string): Promise<TestS3> {
  const objects = new Map<string, Buffer>();
  const failing: number[] = [];
  const cold = new Set<string>();

  const fail = (answer: ServerResponse, status: number, code: string): void => {
    answer.writeHead(status, { 'content-type': 'application/xml' });
    answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  };
  const list = (answer: ServerResponse, query: URLSearchParams): void => {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('continuation-token') ?? '';
    const keys = [...objects.keys()].filter(key => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, town.pageKeys);
    const contents = page.map(
      key =>
        `<Contents><Key>${escaped(key)}</Key><Size>${objects.get(key)!.length}</Size>` +
        `<StorageClass>${cold.has(key) ? 'DEEP_ARCHIVE' : 'STANDARD'}</StorageClass></Contents>`,
    );
    const more = keys.length > page.length;
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    answer.writeHead(200, { 'content-type': 'application/xml' });
    answer.end(
      `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${contents.join('')}` +
        `<IsTruncated>${more}</IsTruncated>${next}</ListBucketResult>`,
    );
  };
  const get = (answer: ServerResponse, body: Buffer | undefined, range: string | undefined): void => {
    if (body === undefined) return fail(answer, 404, 'NoSuchKey');
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    if (from === undefined) return void answer.writeHead(200).end(body);
    if (Number(from) >= body.length) return fail(answer, 416, 'InvalidRange');
    answer.writeHead(206).end(body.subarray(Number(from), Number(to) + 1));
  };
  const serve = (request: IncomingMessage, body: Buffer, answer: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://bucket');
    const [, name, ...path] = decodeURIComponent(url.pathname).split('/');
    const key = path.join('/');
    const status = failing.shift();
    if (status !== undefined) return fail(answer, status, status === 403 ? 'AccessDenied' : 'SlowDown');
    if (name !== bucket) return fail(answer, 404, 'NoSuchBucket');
    if (request.method === 'GET' && key === '') return list(answer, url.searchParams);
    if (request.method === 'GET' && cold.has(key)) return fail(answer, 403, 'InvalidObjectState');
    if (request.method === 'GET') return get(answer, objects.get(key), request.headers.range);
    if (request.method === 'DELETE') {
      objects.delete(key);
      return void answer.writeHead(204).end();
    }
    if (request.headers['if-none-match'] === '*' && objects.has(key)) {
      return fail(answer, 412, 'PreconditionFailed');
    }
    objects.set(key, body);
    answer.writeHead(200, { etag: '"x"' }).end();
  };

  const server = createServer(async (request, answer) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    serve(request, Buffer.concat(parts), answer);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const town: TestS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    failing,
    cold,
    pageKeys: 1_000,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return town;
}
