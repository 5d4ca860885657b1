/**
 * Who calls, asked before the rest of the request is looked at: a stranger learns nothing of what would have been right. Given
 * to a route as its `preValidation`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { permits, type Scope } from '../auth/scopes.ts';
import type { Identity } from '../auth/tokens.ts';
import { identityOf, type RestOptions } from './context.ts';
import { refused } from './errors.ts';

const callers = new WeakMap<FastifyRequest, Identity>();

const NOT_FOR: Readonly<Partial<Record<Scope, Refusal>>> = {
  merchant: refuse(ERROR.forbidden, 'only merchants do this'),
  spend: refuse(ERROR.forbidden, 'this kind of account does not spend points'),
};

/** Lets in who has a token, and this scope if one is asked for. */
export const entering =
  (options: RestOptions, scope: Scope = 'session') =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const me = await identityOf(options, request);
    if (!me.ok) return refused(reply, me);
    if (!permits(me.value.scopes, scope))
      return refused(reply, NOT_FOR[scope] ?? refuse(ERROR.forbidden, 'not for this kind of account'));
    callers.set(request, me.value);
    return undefined;
  };

/** Of a request that was let in. */
export const callerOf = (request: FastifyRequest): Identity => callers.get(request)!;
