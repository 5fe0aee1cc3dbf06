/** Every table. The product's own (users …) are what populations are made of; the rest is the ledger. */
export * from './schema-batches.ts'
export * from './schema-items.ts'
export * from './schema-operations.ts'
export * from './schema-product.ts'
export * from './schema-steps.ts'
