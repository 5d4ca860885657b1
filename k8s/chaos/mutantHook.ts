/**
 * Loaded by `--import` into the nodes of a test start, and into their threads: patches the sources of the mutant that
 * `CHAOS_MUTANT` names, one of chaos or of the phones, while they are loaded. Without it nothing happens.
 */
import { applyMutant } from '../simulate/mutate.ts';
import { findMutant } from './mutants.ts';

const name = process.env.CHAOS_MUTANT;
if (name !== undefined) applyMutant({ ...findMutant(name), profile: 'calm' });
