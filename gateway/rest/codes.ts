/**
 * Codes of the caller: a fresh one as data or as a picture, and the book with which a phone makes its own without network.
 * A picture costs a few milliseconds of the node, so each person is paced, and pictures of the node together.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { CodeBook } from '../../protocol/codeBook.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { qrPng, qrSvg, qrTerminal } from '../../protocol/qrImage.ts';
import { permits } from '../auth/scopes.ts';
import { LIMITS } from '../limits.ts';
import { RateTable } from '../rate.ts';
import type { Rest } from './app.ts';
import { askUser, identityOf, type RestOptions } from './context.ts';
import { ErrorBody, refused } from './errors.ts';
import { Book, Qr, QrQuery, QrScale } from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['codes'], security: [{ bearer: [] }] };

interface Shown {
  readonly token: string;
  readonly expiresS: number;
}

const dataUrl = (type: string, bytes: Uint8Array | string): string =>
  `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;

const IMAGE = {
  svg: async (text: string) => dataUrl('image/svg+xml', await qrSvg(text)),
  png: async (text: string) => dataUrl('image/png', await qrPng(text)),
  text: async (text: string) => qrTerminal(text),
};

/** Paths of the pictures by themselves, for an `<img>` or a terminal. */
const PICTURES = {
  svg: { type: 'image/svg+xml', draw: (text: string) => qrSvg(text) },
  png: { type: 'image/png', draw: (text: string, scale?: number) => qrPng(text, scale) },
  txt: { type: 'text/plain; charset=utf-8', draw: async (text: string) => `${qrTerminal(text)}\n` },
} as const;

export const codeRoutes = (app: Rest, options: RestOptions): void => {
  const { rates, wallMs } = options;
  const people = rates && new RateTable(rates.code, LIMITS.remembered);
  const pictures = rates && new RateTable(rates.picture, 1);

  const slow = (table: RateTable | null, name: string): Result<null> => {
    const waitMs = table?.waitMs(name, wallMs()) ?? 0;
    if (waitMs > 0) return refuse(ERROR.rateLimited, 'too many codes: wait a little', waitMs);
    table?.take(name, wallMs());
    return ok(null);
  };

  /** Asks the caller's actor, if it meets people and does not ask too often. */
  const asked = async <T>(
    request: FastifyRequest,
    drawn: boolean,
    message: (deviceId: string) => object,
  ): Promise<Result<T>> => {
    const me = await identityOf(options, request);
    if (!me.ok) return me;
    const { userId, deviceId, scopes } = me.value;
    if (!permits(scopes, 'meet')) return refuse(ERROR.forbidden, 'only officers and civilians meet');
    const paced = slow(people, userId);
    if (!paced.ok) return paced;
    const room = drawn ? slow(pictures, 'all') : ok(null);
    if (!room.ok) return room;
    return askUser<T>(options, request, userId, message(deviceId));
  };

  app.get(
    '/v1/qr',
    {
      schema: {
        ...secured,
        summary: 'A fresh QR code of yours, to be scanned by the other side',
        querystring: QrQuery,
        response: { 200: Qr, ...failures },
      },
    },
    async (request, reply) => {
      const { format = 'svg' } = request.query;
      const fresh = await asked<Shown>(request, true, () => ({ type: 'qr' }));
      if (!fresh.ok) return refused(reply, fresh);
      const { token, expiresS } = fresh.value;
      return reply.send({ token, expiresS, format, image: await IMAGE[format](token) });
    },
  );

  for (const [name, { type, draw }] of Object.entries(PICTURES)) {
    const png = name === 'png';
    app.get(
      `/v1/qr.${name}`,
      {
        schema: {
          ...secured,
          summary: `The same as a picture by itself, ${type.replace(/;.*/, '')}`,
          querystring: png ? QrScale : Type.Object({}, { additionalProperties: false }),
          produces: [type.replace(/;.*/, '')],
          response: { 200: Type.String({ description: 'The picture.' }), ...failures },
        },
      },
      async (request: FastifyRequest, reply: FastifyReply) => {
        const fresh = await asked<Shown>(request, true, () => ({ type: 'qr' }));
        if (!fresh.ok) return refused(reply, fresh);
        const { scale } = request.query as { scale?: number };
        reply.header('expires', new Date(fresh.value.expiresS * 1000).toUTCString());
        return reply.type(type).send((await draw(fresh.value.token, scale)) as never);
      },
    );
  }

  app.get(
    '/v1/qr/book',
    {
      schema: {
        ...secured,
        summary: 'What your phone needs to show codes without network',
        description:
          'The key of your device and its handles of the next days; see PROTOCOL.md. A secret: keep it where the phone keeps ' +
          'secrets. Ask again each day, and after a move to another device.',
        response: { 200: Book, ...failures },
      },
    },
    async (request, reply) => {
      const book = await asked<CodeBook>(request, false, deviceId => ({ type: 'qrBook', deviceId }));
      return book.ok ? reply.send({ ...book.value, handles: [...book.value.handles] }) : refused(reply, book);
    },
  );
};
