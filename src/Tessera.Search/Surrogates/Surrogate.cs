using Tessera.Data;

namespace Tessera.Search.Surrogates;

/// <summary>
/// Predicts the accuracy of a network from its cell: cells [N, blocks, 4] of input, input, operation, operation as integers, to [N] in (0,
/// 1). Any number of blocks goes in. Liu et al., "Progressive Neural Architecture Search", 2018, arXiv:1712.00559, section 4.2.
/// </summary>
public abstract class Surrogate : Layer
{
    // About 0.86 after the sigmoid: the mean accuracy of cells of one block on CIFAR-10.
    private const double OutputBias = 1.8,
        EmbeddingRange = 0.1;

    private protected const string EmbeddingsOfInputs = "embed_input",
        EmbeddingsOfOperations = "embed_op",
        Output = "out";

    /// <summary>The mean absolute difference of predictions and accuracies.</summary>
    /// <param name="predictions">[N].</param>
    /// <param name="accuracies">[N].</param>
    public static Tensor Loss(Tensor predictions, Tensor accuracies) => predictions.L1Loss(accuracies);

    /// <summary>Values to begin with, which depend on the seed alone.</summary>
    /// <param name="seed">Of the search.</param>
    /// <param name="member">Number in an ensemble.</param>
    internal void Initialize(ulong seed, int member)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var (i, (name, parameter)) in NamedParameters().Index())
        {
            var random = new SampleRandom(seed, member, i);
            var range = name.StartsWith("embed_", StringComparison.Ordinal) ? EmbeddingRange : InitialRange(name);
            var values = new float[parameter.Elements];
            for (var k = 0; k < values.Length; k++)
                values[k] = (float)random.Uniform(-range, range);
            parameter.Copy_(name == $"{Output}.bias" ? Torch.Full([1], OutputBias) : Tensor.From(values).Reshape(parameter.Shape));
        }
    }

    /// <summary>Largest size of the initial values of a parameter that is no embedding: one over the root of its inputs.</summary>
    /// <param name="name">Of the parameter.</param>
    private protected abstract double InitialRange(string name);
}
