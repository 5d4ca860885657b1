/** Charities and families that may receive points, for everybody to read. */
import { Type } from 'typebox';
import type { CatalogEntry, CatalogKind, GivingStore } from '../../nodes/givingPort.ts';
import { LIMITS } from '../limits.ts';
import type { Rest } from './app.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { Id, Next } from './schemas.ts';

const Entry = Type.Object({
  id: Id,
  userId: Type.Union([Id, Type.Null()], { description: 'To whom points are given.' }),
  kind: Type.Enum(['charity', 'family']),
  name: Type.String(),
  zip: Type.Union([Type.String(), Type.Null()], {
    description: 'Of a charity; where a family lives is not told.',
  }),
});
const After = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: LIMITS.pageMax, description: `Default ${LIMITS.page}.` }),
    ),
    after: Type.Optional(Id),
  },
  { additionalProperties: false },
);

const PATHS: readonly (readonly [path: string, kind: CatalogKind])[] = [
  ['charities', 'charity'],
  ['families', 'family'],
];

const publicView = ({ id, account, kind, name, zip }: CatalogEntry) => ({
  id,
  userId: account,
  kind,
  name,
  zip: kind === 'charity' ? zip : null,
});

export const catalogRoutes = (app: Rest, { log }: RestOptions, store: GivingStore): void => {
  for (const [path, kind] of PATHS) {
    app.get(
      `/v1/catalogs/${path}`,
      {
        schema: {
          tags: ['points'],
          summary: `${kind === 'charity' ? 'Charities' : 'Families'} that are verified: they may receive points`,
          querystring: After,
          response: {
            200: Type.Object({ items: Type.Array(Entry), next: Next }),
            '4xx': ErrorBody,
            '5xx': ErrorBody,
          },
        },
      },
      async (request, reply) => {
        const { limit = LIMITS.page, after = null } = request.query;
        const filter = { verifiedOnly: true, after: after?.toLowerCase() ?? null, limit: limit + 1 };
        const read = await reaching(log, () => store.entries(kind, filter));
        if (!read.ok) return refused(reply, read);
        const items = read.value.slice(0, limit);
        const next = read.value.length > limit ? (items.at(-1)?.id ?? null) : null;
        return reply.send({ items: items.map(publicView), next });
      },
    );
  }
};
