/**
 * YAML as Kubernetes reads it. Its readers speak YAML 1.1, where `off` is false and `0440` is 288; ours speaks 1.2, where
 * they are a word and 440. What means two things is a mistake here: quote it.
 */
import { isDeepStrictEqual } from 'node:util';
import { parseAllDocuments } from 'yaml';

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** One object of Kubernetes, as far as all of them are alike. */
export interface Resource extends JsonObject {
  apiVersion: string;
  kind: string;
  metadata: JsonObject & { name: string };
}

/** What people can correct: a file, and what is wrong in it. */
export class Mistake extends Error {}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const readAs = (text: string, version: '1.1' | '1.2', from: string): Json[] =>
  parseAllDocuments(text, { version, uniqueKeys: true, merge: false }).map(document => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw new Mistake(`${from}: ${problem.message.split('\n')[0]}`);
    return document.toJS() as Json;
  });

/** The documents of a file, empty ones left out. */
export function readYaml(text: string, from: string): Json[] {
  const documents = readAs(text, '1.2', from);
  if (!isDeepStrictEqual(documents, readAs(text, '1.1', from)))
    throw new Mistake(
      `${from}: has a word or number that YAML 1.1 and 1.2 read differently (on, off, yes, 0440): quote it`,
    );
  return documents.filter(one => one !== null);
}

/** The one document of a file. */
export function readOne(text: string, from: string): JsonObject {
  const [first, ...others] = readYaml(text, from);
  if (!isObject(first) || others.length > 0) throw new Mistake(`${from}: is not one object`);
  return first;
}

export function asResource(value: Json, from: string): Resource {
  if (
    isObject(value) &&
    typeof value.apiVersion === 'string' &&
    typeof value.kind === 'string' &&
    isObject(value.metadata) &&
    typeof value.metadata.name === 'string'
  )
    return value as Resource;
  throw new Mistake(`${from}: an object needs apiVersion, kind and metadata.name`);
}

/** `Deployment heyblue`: what people call an object. */
export const nameOf = (resource: Resource): string => `${resource.kind} ${resource.metadata.name}`;
