/**
 * What an error of a service means to us. Only its name goes on: messages of these services repeat what was sent, and
 * what we send is where people are.
 */
import { LocationFailure, type LocationFault } from '../../nodes/locationPort.ts';

const REFUSED = new Set([
  'AccessDeniedException',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'ExpiredTokenException',
  'CredentialsProviderError',
]);
const INVALID = new Set(['ValidationException', 'SerializationException', 'ConflictException']);
const THROTTLED = new Set([
  'ThrottlingException',
  'TooManyRequestsException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
]);

const nameOf = (error: unknown): string => {
  const { name } = error as { name?: unknown };
  return typeof name === 'string' && /^\w{1,60}$/.test(name) ? name : 'Error';
};

export const isThrottling = (error: unknown): boolean => {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  return THROTTLED.has(nameOf(error)) || status === 429;
};

export function faultOf(error: unknown): LocationFault {
  const name = nameOf(error);
  if (REFUSED.has(name)) return 'refused';
  return INVALID.has(name) ? 'invalid' : 'unavailable';
}

/** As the port tells it. */
export const failureOf = (operation: string, error: unknown): LocationFailure =>
  error instanceof LocationFailure ? error : new LocationFailure(operation, faultOf(error), nameOf(error));
