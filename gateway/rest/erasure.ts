/**
 * Everything that is kept of you, and the end of it (DOMAIN rule 14). The copy is for the bearer of a token; the end asks for
 * the password as well, because it cannot be taken back and a phone may lie about unlocked.
 */
import { Type } from 'typebox';
import type { Erasure, Persons } from '../../nodes/personPort.ts';
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import { RateTable } from '../rate.ts';
import { NOT_STORED } from '../revocations.ts';
import type { Rest } from './app.ts';
import { callerOf, entering } from './caller.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { SignIn } from './schemas.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['people'], security: [{ bearer: [] }] };

const HINDERED: Readonly<Record<Exclude<Erasure, 'erased' | 'absent'>, Refusal>> = {
  reserved: refuse(ERROR.conflict, 'points are set aside at a till: cancel it, or wait until it is over'),
  listed: refuse(ERROR.conflict, 'a catalogue names this account: ask an operator to take it out first'),
  selling: refuse(ERROR.conflict, 'offers of yours are published: withdraw them first'),
};
const wrong = refuse(ERROR.forbidden, 'the password is wrong');
const none = refuse(ERROR.notFound, 'no such account');
const slower = (waitMs: number) => refuse(ERROR.rateLimited, 'too many attempts: wait a little', waitMs);

export const erasureRoutes = (app: Rest, options: RestOptions, persons: Persons): void => {
  const { directory, log, passwords, revocations, rates, wallMs } = options;
  const copies = rates && new RateTable(rates.handle, LIMITS.remembered);
  const attempts = rates && new RateTable(rates.handle, LIMITS.remembered);

  app.get(
    '/v1/me/export',
    {
      preValidation: entering(options),
      schema: {
        ...secured,
        summary: 'A copy of everything that is kept of you',
        description: `As JSON, at most ${LIMITS.exportRows} of each list, newest first, and the positions that were sampled of late.`,
        response: { 200: Type.Record(Type.String(), Type.Unknown()), ...failures },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request);
      const waitMs = copies?.waitMs(userId, wallMs()) ?? 0;
      if (waitMs > 0) return refused(reply, slower(waitMs));
      copies?.take(userId, wallMs());
      const copy = await reaching(log, () => persons.copy(userId, LIMITS.exportRows));
      if (!copy.ok) return refused(reply, copy);
      if (copy.value === null) return refused(reply, none);
      reply.header('content-disposition', 'attachment; filename="heyblue.json"');
      return reply.send(copy.value);
    },
  );

  app.delete(
    '/v1/me',
    {
      preValidation: entering(options),
      schema: {
        ...secured,
        summary: 'Ends your account and erases what names you',
        description:
          'Handle, password, badge, zip code, devices, positions and waiting events are gone, every token and socket ends. The ledger keeps ' +
          'its entries under an id that means nobody; points that are left are lost. 403 when the password is wrong, 409 while ' +
          'points are set aside, offers are published, or a catalogue names the account.',
        body: Type.Object({ password: SignIn.properties.password }, { additionalProperties: false }),
        response: { 200: Type.Object({ erased: Type.Literal(true) }), ...failures },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request);
      const { password } = request.body as { password: string };
      const waitMs = attempts?.waitMs(userId, wallMs()) ?? 0;
      if (waitMs > 0) return refused(reply, slower(waitMs));
      const known = await reaching(log, () => directory.credentialById(userId));
      if (!known.ok) return refused(reply, known);
      // gone already: the answer to an earlier request was lost, and what follows may have been, too
      if (known.value !== null) {
        const right = await passwords.check(password, known.value.passwordHash);
        if (!right.ok) return refused(reply, right);
        if (!right.value) {
          attempts?.take(userId, wallMs());
          return refused(reply, wrong);
        }
        const done = await reaching(log, () => persons.erase(userId));
        if (!done.ok) return refused(reply, done);
        if (done.value !== 'erased' && done.value !== 'absent') return refused(reply, HINDERED[done.value]);
      }
      const { stored } = await revocations.user(userId);
      if (!stored) return refused(reply, NOT_STORED);
      persons.forget(userId);
      return reply.send({ erased: true as const });
    },
  );
};
