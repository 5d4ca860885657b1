/** The doors through which people get in: sign up, sign in, a fresh token, another device. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { Credential } from '../../nodes/ports.ts';
import { hasSeveralDevices } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import { peerAddress } from '../peer.ts';
import { RateTable } from '../rate.ts';
import { NOT_STORED } from '../revocations.ts';
import type { Rest } from './app.ts';
import { identityOf, livesOn, type RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { Idempotency } from './idempotency.ts';
import { IdempotencyHeaders, SignIn, SignUp, Token } from './schemas.ts';
import { traceOf } from './trace.ts';

const TAG = ['accounts'];
const failures = { '4xx': ErrorBody, '5xx': ErrorBody };

const elsewhere = refuse(
  ERROR.conflict,
  'this account is linked to another device; POST /v1/device moves it here',
);

const crowded = refuse(ERROR.conflict, 'too many devices are linked; POST /v1/device ends all others');

type Granted = Static<typeof Token>;
type Person = Pick<Credential, 'userId' | 'kind' | 'handle' | 'deviceId'>;

export const accountRoutes = (app: Rest, options: RestOptions): void => {
  const { directory, idValidator, passwords, tokens, revocations, log, wallMs } = options;
  const seen = new Idempotency();
  const addresses = options.rates && new RateTable(options.rates.address, LIMITS.remembered);
  const handles = options.rates && new RateTable(options.rates.handle, LIMITS.remembered);

  const grant = async ({ userId, kind, handle, deviceId }: Person): Promise<Granted> => ({
    userId,
    accessToken: await tokens.mint({ userId, kind, handle, deviceId }),
    expiresInS: tokens.ttlS,
  });

  /** Takes one from the bucket of the address; a refusal when it is empty. */
  const slow = (table: RateTable | null, name: string): Refusal | null => {
    const waitMs = table?.waitMs(name, wallMs()) ?? 0;
    return waitMs > 0 ? refuse(ERROR.rateLimited, 'too many attempts: wait a little', waitMs) : null;
  };
  const addressOf = (request: FastifyRequest): string =>
    peerAddress(request.ip, String(request.headers['x-forwarded-for'] ?? ''), options.trustedProxyHops);
  const knocking = (request: FastifyRequest): Refusal | null => {
    const address = addressOf(request);
    const refusal = slow(addresses, address);
    if (refusal === null) addresses?.take(address, wallMs());
    return refusal;
  };

  /**
   * Whose handle and password these are. An unknown handle takes as long and gets the same answer as a wrong password.
   * Failures slow down this address for this handle, never the handle: nobody can lock somebody else out.
   */
  const recognise = async (
    request: FastifyRequest,
    password: string,
    as: string,
  ): Promise<Result<Credential>> => {
    const handle = as.toLowerCase();
    const name = `${handle} ${addressOf(request)}`;
    const tooMany = slow(handles, name);
    if (tooMany !== null) return tooMany;
    const found = await reaching(log, () => directory.credentialByHandle(handle));
    if (!found.ok) return found;
    const right = await passwords.check(password, found.value?.passwordHash ?? null);
    if (!right.ok) return right;
    if (right.value && found.value !== null) return ok(found.value);
    handles?.take(name, wallMs());
    return refuse(ERROR.unauthorized, 'handle or password is wrong');
  };

  const signUp = async (body: Static<typeof SignUp>, trace: string | null): Promise<Result<Person>> => {
    const { kind, password, deviceId, zip = null, badge = null } = body;
    const handle = body.handle.toLowerCase();
    if (kind === 'operator') return refuse(ERROR.forbidden, 'operators are not signed up here');
    // Nobody but an officer may use up a badge number: it signs up once.
    if (badge !== null && kind !== 'officer')
      return refuse(ERROR.invalid, 'only an officer has a badge number');
    const valid = await reaching(log, () => idValidator.validate(kind, { badge }));
    if (!valid.ok) return valid;
    if (!valid.value.ok) return valid.value;
    const hashed = await passwords.hash(password);
    if (!hashed.ok) return hashed;
    const user = { kind, handle, passwordHash: hashed.value, deviceId, zip, badge, trace };
    const made = await reaching(log, () => directory.createUser(user));
    if (!made.ok) return made;
    return made.value.ok ? ok({ userId: made.value.value.userId, kind, handle, deviceId }) : made.value;
  };

  /** A repeat whose first answer was lost with our memory: the person exists, with this password and device. */
  const sameSignUp = async (request: FastifyRequest, body: Static<typeof SignUp>): Promise<Person | null> => {
    const known = await recognise(request, body.password, body.handle);
    return known.ok && known.value.kind === body.kind && livesOn(known.value, body.deviceId)
      ? { ...known.value, deviceId: body.deviceId }
      : null;
  };

  /** The first answer again: the same account with a fresh token, as long as it still lives on that device. */
  const replayed = async (reply: FastifyReply, userId: string, deviceId: string): Promise<FastifyReply> => {
    const known = await reaching(log, () => directory.credentialById(userId));
    if (!known.ok) return refused(reply, known);
    if (known.value === null || !livesOn(known.value, deviceId)) return refused(reply, elsewhere);
    return reply
      .header('idempotent-replayed', 'true')
      .code(201)
      .send(await grant({ ...known.value, deviceId }));
  };

  app.post(
    '/v1/signup',
    {
      schema: {
        tags: TAG,
        summary: 'Sign up a person or an organisation',
        description:
          'An officer needs a badge number. With an `Idempotency-Key` a repeat gets the account of the first request ' +
          'and a fresh token. The account is linked to the device.',
        headers: IdempotencyHeaders,
        body: SignUp,
        response: { 201: Token, ...failures },
      },
    },
    async (request, reply) => {
      const tooMany = knocking(request);
      if (tooMany !== null) return refused(reply, tooMany);
      const key = request.headers['idempotency-key'];
      const name = `signup ${addressOf(request)} ${key}`;
      if (key !== undefined) {
        const before = seen.begin(name, request.body, wallMs());
        if (before !== null && !before.ok) return refused(reply, before);
        if (before !== null) return replayed(reply, before.value, request.body.deviceId);
      }
      let done: string | null = null;
      try {
        const person = await signUp(request.body, traceOf(request));
        if (person.ok) {
          done = person.value.userId;
          return reply.code(201).send(await grant(person.value));
        }
        if (key !== undefined && person.code === ERROR.conflict) {
          const same = await sameSignUp(request, request.body);
          if (same !== null) {
            done = same.userId;
            return replayed(reply, same.userId, same.deviceId);
          }
        }
        return refused(reply, person);
      } finally {
        if (key !== undefined) seen.settle(name, done);
      }
    },
  );

  app.post(
    '/v1/signin',
    {
      schema: {
        tags: TAG,
        summary: 'Sign in on a device of the account',
        description:
          'Links the device where the kind of account may have several, such as a merchant with tills. A person has one: 409 ' +
          'on any other, `POST /v1/device` moves the account.',
        body: SignIn,
        response: { 200: Token, ...failures },
      },
    },
    async (request, reply) => {
      const tooMany = knocking(request);
      if (tooMany !== null) return refused(reply, tooMany);
      const { handle, password, deviceId } = request.body;
      const known = await recognise(request, password, handle);
      if (!known.ok) return refused(reply, known);
      const { userId, kind } = known.value;
      if (!livesOn(known.value, deviceId)) {
        if (!hasSeveralDevices(kind)) return refused(reply, elsewhere);
        const linked = await reaching(log, () =>
          directory.linkDevice(userId, deviceId, LIMITS.devicesLinkedMax),
        );
        if (!linked.ok) return refused(reply, linked);
        if (!linked.value) return refused(reply, crowded);
      }
      return reply.send(await grant({ ...known.value, deviceId }));
    },
  );

  app.post(
    '/v1/token',
    {
      schema: {
        tags: TAG,
        summary: 'A fresh token for the bearer of one that is still valid',
        security: [{ bearer: [] }],
        response: { 200: Token, ...failures },
      },
    },
    async (request, reply) => {
      const identity = await identityOf(options, request);
      if (!identity.ok) return refused(reply, identity);
      const { userId, deviceId } = identity.value;
      const known = await reaching(log, () => directory.credentialById(userId));
      if (!known.ok) return refused(reply, known);
      if (known.value === null || !livesOn(known.value, deviceId)) {
        return refused(reply, refuse(ERROR.unauthorized, 'the account moved to another device'));
      }
      return reply.send(await grant({ ...known.value, deviceId }));
    },
  );

  app.post(
    '/v1/device',
    {
      schema: {
        tags: TAG,
        summary: 'Move the account to this device',
        description:
          'Ends the old device: its sockets are closed with 4003 and its tokens are refused. Doing it again changes ' +
          'nothing, so no `Idempotency-Key` is needed.',
        body: SignIn,
        response: { 200: Token, ...failures },
      },
    },
    async (request, reply) => {
      const tooMany = knocking(request);
      if (tooMany !== null) return refused(reply, tooMany);
      const { handle, password, deviceId } = request.body;
      const known = await recognise(request, password, handle);
      if (!known.ok) return refused(reply, known);
      const { userId, kind } = known.value;
      if (known.value.deviceId !== deviceId || known.value.otherDevices.length > 0) {
        const moved = await reaching(log, () => directory.moveDevice(userId, deviceId));
        if (!moved.ok) return refused(reply, moved);
        options.onDeviceMoved(userId, deviceId);
      }
      // Also when it had moved before: the request that moved it may have been cut off here.
      const { stored } = await revocations.user(userId, deviceId);
      if (!stored) return refused(reply, NOT_STORED);
      return reply.send(await grant({ userId, kind, handle: known.value.handle, deviceId }));
    },
  );
};
