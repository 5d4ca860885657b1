/** The template of the cloud side, read with the short forms of CloudFormation (`!Ref`, `!Sub`, `!GetAtt`). */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';

export interface Statement {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: unknown;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: object;
}

interface Made {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
  // biome-ignore lint/suspicious/noExplicitAny: each type has its own, and each test looks at what it knows
  readonly Properties: any;
}

export interface Template {
  readonly Parameters: Readonly<Record<string, { readonly Default?: string | number }>>;
  readonly Resources: Readonly<Record<string, Made>>;
}

/** Short forms as texts that say the same: `${Name}`, `${Table.Arn}`. */
const SHORT = ['Ref', 'GetAtt', 'Sub'].map(name => ({
  tag: `!${name}`,
  resolve: (text: string) => (name === 'Sub' ? text : `\${${text}}`),
}));

export const templateText = (): string => readFileSync(new URL('./heyblue.yaml', import.meta.url), 'utf8');

/** @throws Error when it cannot be read: a field twice, a short form that is not known here */
export const readTemplate = (text = templateText()): Template => {
  const document = parseDocument(text, { customTags: SHORT, uniqueKeys: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  return document.toJS() as Template;
};

/** Statements of policies of every kind, and who may take the role. */
export const statementsOf = (template: Template): Statement[] =>
  Object.values(template.Resources).flatMap(({ Properties }) => {
    const trust = Properties.AssumeRolePolicyDocument as string | undefined;
    const documents = [
      ...(Properties.PolicyDocument ? [Properties.PolicyDocument] : []),
      ...(Properties.Policies ?? []).map((one: { PolicyDocument: unknown }) => one.PolicyDocument),
      ...(trust === undefined ? [] : [JSON.parse(trust)]),
    ] as { Statement: Statement[] }[];
    return documents.flatMap(one => one.Statement);
  });

/** What a `${...}` in the template may lead to. */
export const referencesIn = (text: string): string[] =>
  [...text.matchAll(/!(?:Ref|GetAtt) ([\w.]+)|\$\{([\w.]+)\}/g)].map(
    ([, short, within]) => (short ?? within ?? '').split('.')[0]!,
  );
