"""All products of the whole comparison."""

import products_attributes
import products_crypto
import products_messages
import products_objects

ALL = (
    *products_objects.PRODUCTS,
    *products_attributes.PRODUCTS,
    *products_crypto.PRODUCTS,
    *products_messages.PRODUCTS,
)
