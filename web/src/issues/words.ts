/** What the parts of an explanation are called. */
export const COMPONENTS: Record<string, string> = {
  exception: 'Exception',
  call: 'Raised in',
  message: 'Message',
  value: 'Message',
  logger: 'Logger',
  library: 'Library',
  page: 'Bundle',
  policy: 'Policy',
  fingerprint: 'Fingerprint',
  transaction: 'Transaction',
  platform: 'Platform',
};
