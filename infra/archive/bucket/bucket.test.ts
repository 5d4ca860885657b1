/** What the bucket is told, in the words of S3: `aws s3api put-bucket-lifecycle-configuration`, `-policy`, `-encryption`. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkpointKey, errorKey, hourFolder, objectKey, sealKey } from '../layout.ts';

const read = (name: string) => JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8'));
const archived = objectKey('transactions', 0, 'shardId-000000000000', '1');
const aside = errorKey('not-json', 'transactions', 'shardId-000000000000', '1');
const seal = sealKey(hourFolder('transactions', 0), 'abc');
const note = checkpointKey('transactions', 'shardId-000000000000');

interface Rule {
  Status: string;
  Filter: { Prefix: string };
  Transitions?: { Days: number; StorageClass: string }[];
  Expiration?: { Days: number };
}
const rulesOf = (key: string): Rule[] =>
  (read('lifecycle').Rules as Rule[]).filter(
    rule => rule.Status === 'Enabled' && key.startsWith(rule.Filter.Prefix),
  );

it('the archive goes to colder tiers, the first of which is still read at once, and is kept for seven years', () => {
  const [rule] = rulesOf(archived);
  expect(rule!.Transitions).toEqual([
    { Days: 90, StorageClass: 'GLACIER_IR' },
    { Days: 365, StorageClass: 'DEEP_ARCHIVE' },
  ]);
  expect(rule!.Expiration!.Days).toBe(7 * 365);
  expect(hourFolder('user-events', 0).startsWith(rule!.Filter.Prefix)).toBe(true);
});

it('seals go when what they are about is gone, and stay where they are read at once', () => {
  const [rule, ...more] = rulesOf(seal);
  expect([rule!.Expiration!.Days, rule!.Transitions]).toEqual([7 * 365, undefined]);
  expect(more.every(one => one.Expiration === undefined)).toBe(true);
});

it('what was put aside goes, and the notes of the archivers stay', () => {
  expect(rulesOf(aside).map(rule => rule.Expiration?.Days)).toContain(90);
  expect(rulesOf(note).every(rule => rule.Expiration === undefined && rule.Transitions === undefined)).toBe(
    true,
  );
});

interface Statement {
  Effect: 'Allow' | 'Deny';
  Principal: '*' | { AWS: string };
  Action: string | string[];
  Resource: string[];
  Condition?: object;
}
const matches = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text);

/** As S3 decides: what is denied is denied, what is not allowed is not. */
function may(who: string, action: string, key: string, secure = true): boolean {
  const resource = key === '' ? 'arn:aws:s3:::BUCKET' : `arn:aws:s3:::BUCKET/${key}`;
  const said = (read('policy').Statement as Statement[]).filter(
    ({ Principal, Action, Resource, Condition }) =>
      (Principal === '*' || Principal.AWS === who) &&
      [Action].flat().some(pattern => matches(pattern, action)) &&
      Resource.some(pattern => matches(pattern, resource)) &&
      (Condition === undefined || !secure),
  );
  return said.some(({ Effect }) => Effect === 'Allow') && !said.some(({ Effect }) => Effect === 'Deny');
}

it.each([
  ['WRITER', 's3:PutObject', archived, true],
  ['WRITER', 's3:PutObject', note, true],
  ['WRITER', 's3:PutObject', aside, true],
  ['WRITER', 's3:PutObject', seal, true],
  ['WRITER', 's3:GetObject', archived, true],
  ['WRITER', 's3:ListBucket', '', true],
  ['WRITER', 's3:DeleteObject', archived, false],
  ['WRITER', 's3:DeleteObjectVersion', archived, false],
  ['READER', 's3:GetObject', archived, true],
  ['READER', 's3:ListBucket', '', true],
  ['READER', 's3:GetObject', seal, true],
  ['READER', 's3:PutObject', seal, false],
  ['READER', 's3:GetObject', aside, false],
  ['READER', 's3:PutObject', archived, false],
  ['SOMEBODY', 's3:GetObject', archived, false],
])('%s with %s on %s: %s', (who, action, key, allowed) => {
  expect(may(who, action, key)).toBe(allowed);
  expect(may(who, action, key, false)).toBe(false);
});

it('everything lies encrypted', () => {
  const [rule] = read('encryption').Rules;
  expect(rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm).toBe('AES256');
});
