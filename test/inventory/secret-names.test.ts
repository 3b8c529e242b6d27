import { expect, test } from "vitest";
import { isSecretName } from "../../src/inventory/secret-names.ts";

test.each([
  "ansible_password",
  "ansible_become_pass",
  "DB_PASSWORD",
  "passwords",
  "dbPassword",
  "mysql-root-passwd",
  "key_passphrase",
  "api_key",
  "apiKeys",
  "AWS_SECRET_ACCESS_KEY",
  "private_key",
  "github_token",
  "vault_credentials",
])("%s says that it is a secret", (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each([
  "bypass",
  "compass",
  "passive_mode",
  "passenger_root",
  "ansible_ssh_private_key_file",
  "password_file",
  "secret_name",
  "token_url",
  "tokenizer",
  "public_key",
  "monkey",
  "keyboard",
  "user",
])("%s does not", (name) => {
  expect(isSecretName(name)).toBe(false);
});
