/*
 * Four names that OpenSMTPD uses and LibreSSL got after 3.1.0, the newest that the
 * stand-in base can fetch. Appended to config.h there, and only there.
 */
#ifndef COMPAT_LIBRESSL_3_1_H
#define COMPAT_LIBRESSL_3_1_H

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/asn1.h>
#include <openssl/opensslv.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#if LIBRESSL_VERSION_NUMBER != 0x3010000fL
#error "this header is for LibreSSL 3.1.0"
#endif

/* The 3.1.0 server knows no TLS 1.3, so there is nothing to switch off. */
#ifndef SSL_OP_NO_TLSv1_3
#define SSL_OP_NO_TLSv1_3	0
#endif

/* 1 on success, 0 on failure; a missing time, "now" elsewhere, is a failure. */
static inline int
ASN1_TIME_to_tm(const ASN1_TIME *t, struct tm *tm)
{
	if (t == NULL)
		return 0;
	memset(tm, 0, sizeof(*tm));
	return ASN1_time_parse((const char *)t->data, t->length, tm, 0) != -1;
}

static inline void
X509_OBJECT_free(X509_OBJECT *obj)
{
	if (obj == NULL)
		return;
	X509_OBJECT_free_contents(obj);
	free(obj);
}

/* The caller owns the result. */
static inline X509_OBJECT *
X509_STORE_CTX_get_obj_by_subject(X509_STORE_CTX *ctx, int type, X509_NAME *name)
{
	X509_OBJECT *obj = calloc(1, sizeof(*obj));

	if (obj != NULL && X509_STORE_get_by_subject(ctx, type, name, obj) != 1) {
		free(obj);
		obj = NULL;
	}
	return obj;
}

#endif
