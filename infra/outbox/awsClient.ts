/** How we talk to AWS: short timeouts, no retries behind our back (the publishers have their own), HTTP/1.1. */
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { CONNECT_MS_MAX, REQUEST_MS_MAX } from './limits.ts';

export interface AwsOptions {
  readonly endpoint: string;
  readonly region: string;
  /** Empty texts leave it to the standard chain (roles, profiles). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Default: REQUEST_MS_MAX. */
  readonly requestMsMax?: number;
}

export function awsClientConfig(options: AwsOptions) {
  const { endpoint, region, credentials, requestMsMax = REQUEST_MS_MAX } = options;
  return {
    endpoint,
    region,
    maxAttempts: 1,
    // the embedded Kinesis does not speak HTTP/2, which its client would choose
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_MS_MAX,
      requestTimeout: requestMsMax,
      throwOnRequestTimeout: true,
      // an answer that began and does not go on
      socketTimeout: requestMsMax,
    }),
    ...(credentials.accessKeyId !== '' && { credentials: { ...credentials } }),
  };
}

/** Whether AWS says that the stream or table is not there (yet). */
export const isMissing = (error: unknown): boolean =>
  (error as { name?: string }).name === 'ResourceNotFoundException';

export const wordsOf = (error: unknown): string => {
  const { name = '', message = '' } = error as { name?: string; message?: string };
  return `${name}: ${message}`;
};
