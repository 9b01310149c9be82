export { createStripe402Axios, type AxiosLike } from './axios.js';
export { explain } from './core.js';
export * from './errors.js';
export { createStripe402Fetch, receiptOf, wrapFetch, type PayingFetch } from './fetch.js';
export {
  changeKey,
  createKey,
  KeyRefusedError,
  listKeys,
  rotateId,
  revokeKey,
  type Key,
  type KeyAutoTopUp,
  type KeyBudget,
  type KeyOptions,
  type RotatedId,
  type KeyProof,
  type KeyTerms,
} from './keys.js';
export { createSdkFetch } from './sdk.js';
export { localStoragePurse } from './storage.js';
export type {
  Amount,
  Balance,
  Hold,
  Options,
  Paid,
  Pricing,
  PurseStorage,
  Settlement,
  SettlementState,
  Terms,
  UnitPrice,
} from './types.js';
