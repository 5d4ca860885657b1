/** The way out: a token that is given back is good nowhere any more, a second later at the latest. */
import { Type } from 'typebox';
import type { TokenClaims } from '../auth/revokedTokens.ts';
import { NOT_STORED } from '../revocations.ts';
import type { Rest } from './app.ts';
import { type RestOptions, requireIdentity } from './context.ts';
import { ErrorBody, refused } from './errors.ts';

const SignOut = Type.Object(
  {
    everywhere: Type.Optional(
      Type.Boolean({
        description: 'Ends every token of the account, on every device. Default: only this one.',
      }),
    ),
  },
  { additionalProperties: false },
);

const SignedOut = Type.Object({
  stored: Type.Boolean({
    description: 'True: it is durable, and holds at nodes that start later as well.',
  }),
});

export const signOutRoutes = (app: Rest, options: RestOptions): void => {
  app.post(
    '/v1/signout',
    {
      schema: {
        tags: ['accounts'],
        summary: 'Sign out here, or everywhere',
        description:
          'Revokes the access token, or all of the account: sockets that were opened with them are closed with 4003 on every ' +
          'node within a second. 503 when it could not be stored: it holds at every node that is alive, and the same request ' +
          'with the same token stores it; repeat it until the answer is 200.',
        security: [{ bearer: [] }],
        querystring: SignOut,
        response: { 200: SignedOut, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const { revocations } = options;
      // one that was ended by an earlier request of this kind, which could not be stored, may ask for it again
      const covers = (token: TokenClaims) => revocations.covers(token) && !revocations.isUnstored(token);
      const identity = await requireIdentity(
        { tokens: options.tokens, revocations: { covers } },
        request,
        reply,
      );
      if (identity === null) return reply;
      const { userId, tokenId } = identity;
      const everywhere = request.query.everywhere === true;
      const { stored } =
        (await revocations.again(identity, everywhere)) ??
        (await (everywhere ? revocations.user(userId) : revocations.token(tokenId, userId)));
      return stored ? reply.send({ stored }) : refused(reply, NOT_STORED);
    },
  );
};
