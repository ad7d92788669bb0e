// A data set, a net and a training loop of the program's own.
#pragma once

namespace consumer {

// Trains the net; returns the fraction of the samples that it then puts into the right class.
double train_on_rings();

}  // namespace consumer
