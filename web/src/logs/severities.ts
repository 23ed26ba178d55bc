/** Severities, the gravest first: their words and colours. */
import type { Severity } from './types';

export const SEVERITIES: Severity[] = ['fatal', 'error', 'warning', 'info', 'debug', 'trace', ''];

export const wordOf = (severity: Severity): string => severity || 'no level';

/** The class that colours it; see `severities.css`. */
export const toneOf = (severity: Severity): string => `sev-${severity || 'none'}`;
