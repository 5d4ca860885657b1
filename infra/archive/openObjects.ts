/** The store that the settings name. */
import { FolderStore } from './folderStore.ts';
import type { ObjectStore } from './objectStore.ts';
import type { ArchivePlace } from './place.ts';
import { S3Store } from './s3Store.ts';

export const openObjects = (place: ArchivePlace): ObjectStore =>
  place.bucket === '' ? new FolderStore(place.folder) : new S3Store(place);
