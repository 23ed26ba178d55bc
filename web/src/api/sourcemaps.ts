/** Source maps: what of a frame was minified, why there is no original, and what was uploaded. */
import type { Iso, Page } from './types';

export interface SourceMapProblem {
  kind: string;
  message: string;
  file: string;
  debug_id: string | null;
  release: string | null;
  dist: string | null;
}

export interface FrameSourceMap {
  by: 'debug_id' | 'url' | null;
  minified: { function: string; filename: string; abs_path: string; line: number | null; column: number | null } | null;
  problem: SourceMapProblem | null;
}

export interface EventSourceMaps {
  resolved_count: number;
  missing_count: number;
  is_grouped_by_source: boolean;
  problems: (SourceMapProblem & { frame_count: number; searched: string[]; command: string })[];
}

export interface Upload {
  id: string;
  checksum: string;
  size_bytes: number;
  file_count: number;
  debug_id_count: number;
  created_at: Iso;
  resolved_at: Iso | null;
  uses: { project: { id: number; slug: string }; release: string | null; dist: string | null }[];
}

export interface UploadPage extends Page<Upload> {
  usage: { count: number; bytes: number; max_bytes: number };
}

export interface UploadedFile {
  url: string;
  kind: 'minified_source' | 'source_map' | 'source';
  debug_id: string | null;
  source_map: string | null;
  size_bytes: number;
}
