/** The documents of both doors, for people and for tools, and the public keys of the tokens. */
import { readFile } from 'node:fs/promises';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { type Static, Type } from 'typebox';
import { ERROR, refuse } from '../../protocol/errors.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Rest } from './app.ts';
import { docsPage, markdownPage } from './docsPage.ts';
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
    { name: 'market', description: 'Points for goods' },
    { name: 'merchants', description: 'What a merchant sees of the own business' },
    { name: 'points', description: 'Giving and paying' },
    { name: 'scoring', description: 'For machines that score for others' },
    { name: 'documents', description: 'What you are reading' },
  ],
  components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
};

const tags = ['documents'];
const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const Text = (description: string) => Type.String({ description });
const Document = Type.Object({}, { additionalProperties: true });

/** What HTTP calls the answers that a route names. */
const SUCCESS: Readonly<Record<string, string>> = { 200: 'OK', 201: 'Created', 204: 'No content' };

interface Operation {
  operationId?: string;
  readonly tags?: readonly string[];
  readonly responses?: Record<string, { description?: string }>;
}

/** `GET /v1/officers/{id}` is `getV1OfficersId`. */
const operationId = (method: string, path: string): string =>
  method + path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next = '') => String(next).toUpperCase());

/** The OpenAPI object of these doors: what Fastify knows of them, with names for generators of clients. */
const openApi = (app: Rest): object => {
  const document = structuredClone(app.swagger()) as { paths?: Record<string, Record<string, Operation>> };
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(methods)) {
      operation.operationId = operationId(method, path);
      for (const [status, answer] of Object.entries(operation.responses ?? {})) {
        if (SUCCESS[status] !== undefined) answer.description = SUCCESS[status];
      }
    }
  }
  return document;
};

/** A file of the repository; null when it is not there. */
const textOf = (path: string): Promise<string | null> =>
  readFile(new URL(`../../${path}`, import.meta.url), 'utf8').catch(() => null);

interface Page {
  readonly path: string;
  readonly summary: string;
  readonly type: 'text/html' | 'text/markdown' | 'application/json';
  /** Null when it was not generated. */
  readonly text: string | null;
}

const pages = async (): Promise<Page[]> => {
  const asyncApi = await textOf('protocol/generated/asyncapi.json');
  const vectors = await textOf('protocol/generated/vectors.json');
  const protocol = await textOf('protocol/PROTOCOL.md');
  const kit = await textOf('gateway/conformance/README.md');
  const asPage = (source: string | null): string | null => (source === null ? null : markdownPage(source));
  return [
    {
      path: '/docs/asyncapi.json',
      summary: 'AsyncAPI 3 of the WebSocket',
      type: 'application/json',
      text: asyncApi,
    },
    {
      path: '/docs/vectors.json',
      summary: 'Golden vectors: every frame as bytes and as JSON, to test an encoder and a decoder against',
      type: 'application/json',
      text: vectors,
    },
    {
      path: '/docs/protocol',
      summary: 'The WebSocket protocol, for people',
      type: 'text/html',
      text: asPage(protocol),
    },
    { path: '/docs/protocol.md', summary: 'The same as Markdown', type: 'text/markdown', text: protocol },
    {
      path: '/docs/conformance',
      summary: 'The conformance kit: scripts that a client of your own can be run against',
      type: 'text/html',
      text: asPage(kit),
    },
  ];
};

export const docRoutes = async (app: Rest, tokens: Tokens): Promise<void> => {
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
    async (_request, reply) => reply.type('text/html; charset=utf-8').send(docsPage(openApi(app))),
  );
  app.get(
    '/docs/openapi.json',
    { schema: { tags, summary: 'OpenAPI 3.1 of these doors', response: { 200: Document, ...failures } } },
    async (_request, reply) => reply.send(openApi(app) as Record<string, unknown>),
  );
  for (const { path, summary, type, text } of await pages()) {
    const answer = type === 'application/json' ? Document : Text(type);
    app.get(
      path,
      { schema: { tags, summary, produces: [type], response: { 200: answer, ...failures } } },
      async (_request, reply) => {
        if (text === null) return refused(reply, missing);
        reply.type(`${type}; charset=utf-8`);
        // as it was generated, byte by byte
        return reply.serializer(String).send(text as never);
      },
    );
  }
};
