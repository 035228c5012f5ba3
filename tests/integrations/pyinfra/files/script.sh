#!/bin/sh
echo practice
