/** The way out: a token that is given back is good nowhere any more, a second later at the latest. */
import { Type } from 'typebox';
import type { Rest } from './app.ts';
import { type RestOptions, requireIdentity } from './context.ts';
import { ErrorBody } from './errors.ts';

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
    description:
      'True when it is durable. False while the store cannot be reached: it holds at every node that can be, and is stored later.',
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
          'node within a second.',
        security: [{ bearer: [] }],
        querystring: SignOut,
        response: { 200: SignedOut, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const identity = await requireIdentity(options, request, reply);
      if (identity === null) return reply;
      const { userId, tokenId } = identity;
      const { revocations } = options;
      const everywhere = request.query.everywhere === true;
      return reply.send(await (everywhere ? revocations.user(userId) : revocations.token(tokenId, userId)));
    },
  );
};
