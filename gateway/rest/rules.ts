/** What a movement of one's points was: which rule gave it and why, in words. Rules themselves are the operators' affair. */
import { Type } from 'typebox';
import { type Explainer, REPLAYS, reversedBy } from '../../nodes/rulesPort.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import type { Rest } from './app.ts';
import { type RestOptions, requireIdentity } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { Id } from './schemas.ts';

const orNull = <T extends Parameters<typeof Type.Optional>[0]>(type: T, description: string) =>
  Type.Union([type, Type.Null()], { description });

export const Explained = Type.Object({
  transferId: Id,
  reason: Type.String(),
  atMs: Type.Integer({ description: 'Unix milliseconds of the database clock.' }),
  rule: Type.Object({
    id: Type.String(),
    version: Type.Integer(),
    title: orNull(Type.String(), 'Null: no such version is stored.'),
    trace: orNull(Type.String(), 'Hash of the evaluation that moved the points.'),
  }),
  replay: Type.Enum([...REPLAYS], {
    description:
      '`same`: asked again, the stored version says what it said. `different`: it does not. `untraced`: there is no trace to ' +
      'compare with. `unknown`: it could not be asked again.',
  }),
  given: orNull(Type.Record(Type.String(), Type.Unknown()), 'What the rule was asked with.'),
  points: orNull(Type.Record(Type.String(), Type.Integer()), 'What the rule says, by party.'),
  agrees: orNull(Type.Boolean(), 'Whether that is what was posted; null: that cannot be told.'),
  sentences: Type.Array(Type.String(), { description: 'The explanation, sentence by sentence.' }),
});

const none = refuse(ERROR.notFound, 'no such movement of yours');

export const ruleRoutes = (app: Rest, options: RestOptions, explainer: Explainer): void => {
  const { auditLog, directory, log } = options;

  app.get(
    '/v1/transfers/:id/explain',
    {
      schema: {
        tags: ['points'],
        security: [{ bearer: [] }],
        summary: 'Why points of yours moved',
        description:
          'Which rule gave which points and why, in words, from the version that decided then. 404 for movements of others.',
        params: Type.Object({ id: Id }),
        response: { 200: Explained, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const me = await requireIdentity(options, request, reply);
      if (me === null) return reply;
      const { userId } = me;
      const explained = await reaching(log, async () => {
        const movement = await directory.movement(request.params.id.toLowerCase());
        const isMine = movement?.postings.some(({ account }) => account === userId) === true;
        if (!isMine) return null;
        const reversed = auditLog ? await reversedBy(movement, auditLog, directory) : null;
        return explainer.explain(movement, userId, reversed);
      });
      if (!explained.ok) return refused(reply, explained);
      if (explained.value === null) return refused(reply, none);
      const { sentences } = explained.value;
      return reply.send({ ...explained.value, sentences: [...sentences] });
    },
  );
};
