/** The documents of both doors, for people and for tools, and the public keys of the tokens. */
import { readFile } from 'node:fs/promises';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { type Static, Type } from 'typebox';
import { ERROR, refuse } from '../../protocol/errors.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Rest } from './app.ts';
import { docsPage } from './docsPage.ts';
import { ErrorBody, refused } from './errors.ts';
import { Jwks } from './schemas.ts';

export const OPENAPI: FastifyDynamicSwaggerOptions['openapi'] = {
  openapi: '3.1.0',
  info: {
    title: 'HeyBlue',
    version: '1',
    description:
      'Police officers and the people of their community meet, say hello, and both earn points. Everything that ' +
      'happens live goes over the WebSocket `/v1/ws`: see /docs/protocol.',
  },
  tags: [
    { name: 'accounts', description: 'Getting in' },
    { name: 'people', description: 'What you may read' },
    { name: 'documents', description: 'What you are reading' },
  ],
  components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
};

const tags = ['documents'];
const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const Text = (description: string) => Type.String({ description });
const Document = Type.Object({}, { additionalProperties: true });

/** A file of `protocol/`; null when it has not been generated. */
const protocolFile = (name: string): Promise<string | null> =>
  readFile(new URL(`../../protocol/${name}`, import.meta.url), 'utf8').catch(() => null);

export const docRoutes = async (app: Rest, tokens: Tokens): Promise<void> => {
  const asyncApi = await protocolFile('generated/asyncapi.json');
  const protocol = await protocolFile('PROTOCOL.md');
  const missing = refuse(ERROR.notFound, 'this document was not generated: npm run generate');

  app.get(
    '/.well-known/jwks.json',
    { schema: { tags, summary: 'Public keys of the access tokens', response: { 200: Jwks, ...failures } } },
    async (_request, reply) =>
      reply.header('cache-control', 'public, max-age=300').send(tokens.jwks as Static<typeof Jwks>),
  );
  app.get(
    '/docs',
    {
      schema: {
        tags,
        summary: 'This page',
        produces: ['text/html'],
        response: { 200: Text('HTML'), ...failures },
      },
    },
    async (_request, reply) => reply.type('text/html; charset=utf-8').send(docsPage(app.swagger())),
  );
  app.get(
    '/docs/openapi.json',
    { schema: { tags, summary: 'OpenAPI 3.1 of these doors', response: { 200: Document, ...failures } } },
    async (_request, reply) => reply.send(app.swagger() as Record<string, unknown>),
  );
  app.get(
    '/docs/asyncapi.json',
    { schema: { tags, summary: 'AsyncAPI 3 of the WebSocket', response: { 200: Document, ...failures } } },
    async (_request, reply) =>
      asyncApi === null ? refused(reply, missing) : reply.send(JSON.parse(asyncApi)),
  );
  app.get(
    '/docs/protocol',
    {
      schema: {
        tags,
        summary: 'The WebSocket protocol, for people',
        produces: ['text/markdown'],
        response: { 200: Text('Markdown'), ...failures },
      },
    },
    async (_request, reply) =>
      protocol === null ? refused(reply, missing) : reply.type('text/markdown; charset=utf-8').send(protocol),
  );
};
