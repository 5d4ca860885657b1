/**
 * Settings that no overlay gives, so that each setting is either given somewhere or was left alone on purpose. A new one
 * stands here or in an overlay before the tests are content.
 */
import type { SettingName } from '../../infra/config/settings.ts';

export const LEFT_ALONE: readonly SettingName[] = [
  // the loopback of the pod, as it is
  'HEYBLUE_ADMIN_PORT',
  // pods are alike, and phones come back through the same door
  'HEYBLUE_NODE_WEIGHT',
  'HEYBLUE_PUBLIC_URL',
  // the image is the version
  'HEYBLUE_VERSION',
  // how the town plays: its operators decide, not the cluster
  'HEYBLUE_ENTER_RADIUS_M',
  'HEYBLUE_EXIT_RADIUS_M',
  'HEYBLUE_DWELL_S',
  'HEYBLUE_DWELL_FIXES',
  'HEYBLUE_HOT_REGION_PEOPLE',
  'HEYBLUE_HOT_REGION_WINDOW_S',
  'HEYBLUE_AREA_PEOPLE',
  'HEYBLUE_AREA_DELAY_MIN_S',
  'HEYBLUE_AREA_DELAY_MAX_S',
  'HEYBLUE_SHARE_MINUTES',
  'HEYBLUE_QR_CONFIRM',
  'HEYBLUE_HISTORY_REVIEW',
  'HEYBLUE_COOLDOWN_H',
  'HEYBLUE_SCAN_SETTLE_H',
  'HEYBLUE_REDEEM_S',
  'HEYBLUE_POINTS_EXPIRE_DAYS',
  'HEYBLUE_POINTS_ACTIVATE_AFTER_H',
  'HEYBLUE_ACCESS_TOKEN_TTL_S',
  'HEYBLUE_ROSTER_SIZE',
  'HEYBLUE_LOCATION_RATE',
  'HEYBLUE_CLOCK_RATE',
  'HEYBLUE_CONNECTIONS_PER_ADDRESS',
  'HEYBLUE_HANDSHAKE_RATE',
  'HEYBLUE_AUDIT_MINUTES',
  // TLS ends at the load balancer
  'TLS_CERT',
  'TLS_KEY',
  'HEYBLUE_ADMIN_GC',
  // a bucket keeps the archive, or nobody does
  'HEYBLUE_ARCHIVE_DIR',
  'HEYBLUE_ARCHIVE_FLUSH_S',
  'HEYBLUE_ARCHIVE_FLUSH_MB',
  // the public ones of the region
  'S3_ENDPOINT',
  'LOCATION_ENDPOINT',
  'LOCATION_REQUESTS_PER_S',
  'LOCATION_HISTORY_H',
  // NATS_URL has user and password; who prefers credentials or certificates gives them as files
  'NATS_CREDS',
  'NATS_CERT',
  'NATS_KEY',
  'NATS_SERVER_BIN',
];
