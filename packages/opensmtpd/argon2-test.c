/*
 * Tests of argon2.patch, run in check().
 *
 *   argon2-test                 the tests below
 *   argon2-test HASH PASSWORD   exit status 0 if crypt_checkpass() takes them
 *
 * The hashes are of "correct horse", made with libargon2's command line tool and
 * with crypt(3), so that they do not come from the library under test.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "argon2id.h"

int crypt_checkpass(const char *, const char *);

#define PASSWORD	"correct horse"
#define GOOD		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQyODc3NDExMDQx$" \
			"N+j6TWwigqoqaZYYvryAMTXW2Vsa1l8jarB23bNLFwA"

enum expect { TAKEN, REFUSED };

static const struct {
	const char	*what;
	enum expect	 expect;
	/* libsodium alone takes it: what refuses it is the patch */
	int		 valid;
	const char	*password;
	const char	*hash;
} cases[] = {
	{ "the right password", TAKEN, 1, PASSWORD, GOOD },
	{ "4 lanes, 64 MiB", TAKEN, 1, PASSWORD,
	    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQxMjE3NDE4MzQx$"
	    "q6GPjXqR98Cne6IQetFLusjUNSCUex0mGPqHcam1HdY" },
	{ "a wrong password", REFUSED, 0, "correct horsf", GOOD },
	{ "an empty password", REFUSED, 0, "", GOOD },
	{ "no hash", REFUSED, 0, PASSWORD, NULL },
	{ "an empty hash", REFUSED, 0, PASSWORD, "" },
	{ "an empty hash and password", REFUSED, 0, "", "" },
	{ "more memory than the cap", REFUSED, 1, PASSWORD,
	    "$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQxNjk3OTE4NDI0$"
	    "jtnoOsM6KNLlz9uThYMf2krWahnTgBqGhUT2JXebRtU" },
	{ "more passes than the cap", REFUSED, 1, PASSWORD,
	    "$argon2id$v=19$m=64,t=11,p=1$c29tZXNhbHQyODkwMjQ3ODE$"
	    "onEZo8PBEXrvgakan+kDYtodr7IjpAYednpl3WNNLlg" },
	{ "more lanes than the cap", REFUSED, 1, PASSWORD,
	    "$argon2id$v=19$m=256,t=1,p=17$c29tZXNhbHQzMjcxMzUyNDk$"
	    "4K55ltvQtOXaBTguYVpU+kYK3Y/iYWOnqAF9AHi63X8" },
	{ "a cost beyond every integer", REFUSED, 0, PASSWORD,
	    "$argon2id$v=19$m=18446744073709571072,t=2,p=1$c29tZXNhbHQyODc3NDExMDQx$"
	    "N+j6TWwigqoqaZYYvryAMTXW2Vsa1l8jarB23bNLFwA" },
	{ "argon2i", REFUSED, 0, PASSWORD,
	    "$argon2i$v=19$m=1024,t=3,p=1$c29tZXNhbHQyMTA4NDEzODU1$"
	    "+e4pnmEvMTqDXd49iCQ+5Td4S1jPsGK0PKl1DfL+QoU" },
	{ "argon2id of the older version", REFUSED, 0, PASSWORD,
	    "$argon2id$v=16$m=1024,t=2,p=1$c29tZXNhbHQxNDI0MTA3OTA$"
	    "IJfgHFv1QGnOBu/2vP+dFI0nksJ2dAWGCO1maa2J3Fc" },
	{ "bcrypt", REFUSED, 0, PASSWORD,
	    "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2" },
	{ "yescrypt", REFUSED, 0, PASSWORD,
	    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79" },
	{ "SHA-512", REFUSED, 0, PASSWORD, "$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtF"
	    "B2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0" },
	{ "MD5", REFUSED, 0, PASSWORD, "$1$saltsalt$NuzA7WTAelpl95xgBGWN60" },
	{ "DES", REFUSED, 0, PASSWORD, "abhfCpXqd4GrI" },
	{ "the password itself", REFUSED, 0, PASSWORD, PASSWORD },
};

/* The passes and memory that a hash names are those of the default cost. */
static int
default_cost(const char *hash)
{
	return crypto_pwhash_str_needs_rehash(hash, ARGON2ID_PASSES,
	    ARGON2ID_KIB * 1024UL) == 0;
}

int
main(int argc, char *argv[])
{
	char	 cut[sizeof(GOOD)];
	size_t	 i;
	int	 taken, valid, failures = 0;

	if (argc == 3)
		return crypt_checkpass(argv[2], argv[1]) != 0 ||
		    !default_cost(argv[1]);

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		taken = crypt_checkpass(cases[i].password, cases[i].hash) == 0;
		valid = cases[i].hash != NULL &&
		    strncmp(cases[i].hash, "$argon2id$", 10) == 0 &&
		    crypto_pwhash_str_verify(cases[i].hash, cases[i].password,
		    strlen(cases[i].password)) == 0;
		if (taken != (cases[i].expect == TAKEN) || valid != cases[i].valid) {
			printf("FAILED: %s: taken %d, valid %d\n", cases[i].what,
			    taken, valid);
			failures++;
		} else
			printf("ok: %s: %s\n", cases[i].what,
			    taken ? "taken" : "refused");
	}

	/* every beginning of a good hash */
	for (i = 0; i < sizeof(GOOD) - 1; i++) {
		memcpy(cut, GOOD, i);
		cut[i] = '\0';
		if (crypt_checkpass(PASSWORD, cut) == 0) {
			printf("FAILED: a hash cut to %zu characters\n", i);
			failures++;
		}
	}
	printf("ok: every truncated hash: refused\n");

	/* what an unknown user costs */
	if (!default_cost(ARGON2ID_DUMMY)) {
		printf("FAILED: the dummy is not of the default cost\n");
		failures++;
	}
	return failures != 0;
}
