/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/text.h"

static char *title(const char *key)
{
    char *text = text_dup(key);

    for (char *c = text; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return text;
}

static char *cell(const json_t *value)
{
    if (json_is_integer(value))
        return text_format("%lld", (long long)json_integer_value(value));
    if (json_is_string(value) && json_string_length(value) > 0)
        return text_dup(json_string_value(value));
    return text_dup("-");
}

void table_row(struct table *table, const char *const *keys, const json_t *object)
{
    table->rows = need_array(table->rows, table->n_rows + 1, sizeof(*table->rows));
    for (size_t i = 0; keys[i] != NULL; i++) {
        table->rows[table->n_rows][i] =
            object == NULL ? title(keys[i]) : cell(json_object_get(object, keys[i]));
        table->n_columns = i + 1;
    }
    table->n_rows++;
}

void table_print(struct table *table, int indent)
{
    int widths[TABLE_COLUMNS_MAX] = {0};

    for (size_t row = 0; row < table->n_rows; row++)
        for (size_t i = 0; i < table->n_columns; i++)
            if ((int)strlen(table->rows[row][i]) > widths[i])
                widths[i] = (int)strlen(table->rows[row][i]);
    for (size_t row = 0; row < table->n_rows; row++) {
        printf("%*s", indent, "");
        for (size_t i = 0; i < table->n_columns; i++) {
            bool last = i + 1 == table->n_columns;
            printf("%-*s%s", last ? 0 : widths[i], table->rows[row][i], last ? "\n" : "  ");
            free(table->rows[row][i]);
        }
    }
    free(table->rows);
    memset(table, 0, sizeof(*table));
}
