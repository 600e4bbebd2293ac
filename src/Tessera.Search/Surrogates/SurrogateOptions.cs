using System.ComponentModel.DataAnnotations;
using Tessera.Training.Recipes;

namespace Tessera.Search.Surrogates;

/// <summary>How a surrogate reads a cell.</summary>
public enum SurrogateKind
{
    /// <summary>As a set of blocks, whose embeddings are averaged.</summary>
    Mlp,

    /// <summary>As a sequence of inputs and operations.</summary>
    Lstm,
}

/// <summary>What predicts the accuracy of a cell, and how it learns. The defaults are the paper's where it has them.</summary>
/// <param name="Kind">mlp, which ranks larger cells best in the paper, or lstm.</param>
/// <param name="Ensemble">
/// Networks whose predictions are averaged; each learns without another share of the data. 1 is a single one that learns from all.
/// </param>
/// <param name="Embedding">Size of the vectors of inputs and operations.</param>
/// <param name="Hidden">Width of the hidden layers.</param>
/// <param name="Epochs">Passes over the cells of one block.</param>
/// <param name="FurtherEpochs">Passes over all cells so far, each time that cells of one block more have joined them.</param>
/// <param name="LearningRate">Adam's rate with cells of one block.</param>
/// <param name="FurtherLearningRate">Adam's rate afterwards.</param>
/// <param name="Batch">Cells in a step; those of a step have equally many blocks.</param>
/// <param name="ClipGrad">Largest joint norm of the gradients.</param>
public sealed record SurrogateOptions(
    SurrogateKind Kind = SurrogateKind.Mlp,
    [Range(1, 100)] int Ensemble = 5,
    [Range(1, 10_000)] int Embedding = 100,
    [Range(1, 10_000)] int Hidden = 100,
    [Range(1, 100_000)] int Epochs = 200,
    [Range(1, 100_000)] int FurtherEpochs = 50,
    [RecipeName("lr")] [Range(1e-9, 10)] double LearningRate = 0.01,
    [RecipeName("further_lr")] [Range(1e-9, 10)] double FurtherLearningRate = 0.002,
    [Range(1, 1 << 20)] int Batch = 32,
    [Range(1e-12, 1e12)] double ClipGrad = 5
);
