/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of text in columns as wide as their widest cell. */
#ifndef RPMSG_TABLE_H
#define RPMSG_TABLE_H

#include <jansson.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 16u

struct table {
    char *(*rows)[TABLE_COLUMNS_MAX];
    size_t n_rows, n_columns;
};

/* A new row of as many cells as `keys` has (it ends with NULL): the titles themselves if `object`
 * is NULL, else the object's texts and numbers of those keys. Empty texts are shown as "-". */
void table_row(struct table *table, const char *const *keys, const json_t *object);

/* Prints with `indent` blanks before each row, and frees. */
void table_print(struct table *table, int indent);

#endif
