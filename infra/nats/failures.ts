/** Why there is no NATS for this node: each reason has a class, and each its one sentence for people. */
import { StartFailure } from '../embedded/failure.ts';
import { NATS_VERSION_MIN } from './version.ts';

/** The common kind, for whoever only prints the sentence. */
export class NatsFailure extends StartFailure {
  override name = 'NatsFailure';
}

/** Settings that cannot be right, whatever runs out there. */
export class NatsMisconfigured extends NatsFailure {
  override name = 'NatsMisconfigured';
}

export class NatsUnreachable extends NatsFailure {
  override name = 'NatsUnreachable';
  /** @param servers without credentials */
  constructor(servers: string, reason: string) {
    super(`NATS cannot be reached at ${servers} (${reason}): check NATS_URL, or start nats-server there.`);
  }
}

export class NatsUnauthorized extends NatsFailure {
  override name = 'NatsUnauthorized';
  constructor(servers: string) {
    super(
      `NATS at ${servers} refuses our credentials: check user and password in NATS_URL, or the file in NATS_CREDS.`,
    );
  }
}

export class NatsTooOld extends NatsFailure {
  override name = 'NatsTooOld';
  constructor(servers: string, version: string) {
    super(
      `NATS at ${servers} is version ${version}, which may lose acknowledged writes: ${NATS_VERSION_MIN} or newer is needed.`,
    );
  }
}

export class NatsWithoutJetStream extends NatsFailure {
  override name = 'NatsWithoutJetStream';
  constructor(servers: string) {
    super(
      `NATS at ${servers} has JetStream off (for this account): turn it on, nodes keep their leases there.`,
    );
  }
}

export class NatsBucketRefused extends NatsFailure {
  override name = 'NatsBucketRefused';
  constructor(bucket: string, reason: string) {
    super(
      `NATS refuses the bucket ${bucket} for the leases of nodes (${reason}): check NATS_REPLICAS and permissions, or delete it.`,
    );
  }
}
