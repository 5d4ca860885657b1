/** What is wrong with the template: rights that are wider than they need be, data that goes with the stack, names of nothing. */
import { readTemplate, referencesIn, type Statement, statementsOf, type Template } from './template.ts';

/** What holds data, and stays when the stack goes. */
const KEPT = ['AWS::DynamoDB::Table', 'AWS::Kinesis::Stream', 'AWS::S3::Bucket'];

/** Types that we make, and the fields of each that we know. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'AWS::DynamoDB::Table': [
    'TableName',
    'BillingMode',
    'AttributeDefinitions',
    'KeySchema',
    'TimeToLiveSpecification',
    'PointInTimeRecoverySpecification',
    'SSESpecification',
    'DeletionProtectionEnabled',
  ],
  'AWS::Kinesis::Stream': ['Name', 'ShardCount', 'RetentionPeriodHours', 'StreamEncryption'],
  'AWS::S3::Bucket': [
    'BucketName',
    'OwnershipControls',
    'PublicAccessBlockConfiguration',
    'VersioningConfiguration',
    'BucketEncryption',
    'LifecycleConfiguration',
  ],
  'AWS::S3::BucketPolicy': ['Bucket', 'PolicyDocument'],
  'AWS::Location::Tracker': ['TrackerName', 'PositionFiltering'],
  'AWS::Location::GeofenceCollection': ['CollectionName'],
  'AWS::IAM::Role': ['RoleName', 'MaxSessionDuration', 'AssumeRolePolicyDocument', 'Policies'],
};

const list = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T];

/** Objects below one folder of one bucket; any other star is too wide. */
const WITHIN = /^\$\{\w+\.Arn\}\/[a-z]+\/\*$/;

const wideness = (statement: Statement): string[] => {
  if (statement.Effect === 'Deny') return [];
  const name = statement.Sid ?? 'a statement';
  return [
    ...list(statement.Action)
      .filter(action => action.includes('*'))
      .map(action => `${name} allows ${action}`),
    ...list(statement.Resource)
      .filter(resource => resource.includes('*') && !WITHIN.test(resource))
      .map(resource => `${name} is about ${resource}`),
    ...(JSON.stringify(statement.Principal ?? '').includes('"*"') ? [`${name} is for everybody`] : []),
    ...('NotAction' in statement || 'NotResource' in statement || 'NotPrincipal' in statement
      ? [`${name} allows what it does not name`]
      : []),
  ];
};

const keeping = (template: Template): string[] =>
  Object.entries(template.Resources)
    .filter(([, { Type }]) => KEPT.includes(Type))
    .flatMap(([name, { DeletionPolicy, UpdateReplacePolicy }]) =>
      DeletionPolicy === 'Retain' && UpdateReplacePolicy === 'Retain'
        ? []
        : [`${name} goes with its stack (DeletionPolicy and UpdateReplacePolicy: Retain)`],
    );

const covering = (template: Template): string[] =>
  Object.entries(template.Resources).flatMap(([name, { Type, Properties }]) => [
    ...(Type === 'AWS::DynamoDB::Table' && Properties.SSESpecification?.SSEEnabled !== true
      ? [`${name} is not encrypted`]
      : []),
    ...(Type === 'AWS::DynamoDB::Table' &&
    Properties.PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled !== true
      ? [`${name} cannot be taken back in time`]
      : []),
    ...(Type === 'AWS::Kinesis::Stream' && Properties.StreamEncryption?.EncryptionType !== 'KMS'
      ? [`${name} is not encrypted`]
      : []),
    ...(Type === 'AWS::S3::Bucket' && !Properties.BucketEncryption ? [`${name} is not encrypted`] : []),
    ...(Type === 'AWS::S3::Bucket' &&
    !['BlockPublicAcls', 'BlockPublicPolicy', 'IgnorePublicAcls', 'RestrictPublicBuckets'].every(
      one => Properties.PublicAccessBlockConfiguration?.[one] === true,
    )
      ? [`${name} may become public`]
      : []),
  ]);

const fields = (template: Template): string[] =>
  Object.entries(template.Resources).flatMap(([name, { Type, Properties }]) => {
    const known = FIELDS[Type];
    if (known === undefined) return [`${name} is a ${Type}, which nobody looked at`];
    return Object.keys(Properties)
      .filter(field => !known.includes(field))
      .map(field => `${name}: a ${Type} has no ${field}`);
  });

/** Sentences; none when all is right. */
export function lint(text: string): string[] {
  const template = readTemplate(text);
  const names = [...Object.keys(template.Parameters), ...Object.keys(template.Resources)];
  const unknown = referencesIn(text).filter(name => !names.includes(name));
  const unused = Object.keys(template.Parameters).filter(name => !referencesIn(text).includes(name));
  return [
    ...statementsOf(template).flatMap(wideness),
    ...keeping(template),
    ...covering(template),
    ...fields(template),
    ...unknown.map(name => `there is no ${name} to refer to`),
    ...unused.map(name => `nobody uses the parameter ${name}`),
  ];
}
