/** The archive of a node: both streams as Parquet, in a folder or a bucket. What packs and sends is loaded by its thread. */

export { type Following, followOwned } from './owned.ts';
export { type ArchivePlace, archivePlace } from './place.ts';
export { ArchiveThread } from './thread.ts';
