using Tessera.Nn;

namespace Tessera.Search.Surrogates;

/// <summary>A surrogate that averages the embeddings of a cell's blocks, which three linear layers turn into an accuracy.</summary>
public sealed class MlpSurrogate : Surrogate
{
    private readonly Embedding embedInput,
        embedOp;
    private readonly Linear fc1,
        fc2,
        output;

    /// <summary>A surrogate with the engine's initialisation.</summary>
    /// <param name="inputs">Number of inputs that a block may have.</param>
    /// <param name="operations">Number of operations.</param>
    /// <param name="embedding">Size of their vectors.</param>
    /// <param name="hidden">Width of the hidden layers.</param>
    public MlpSurrogate(int inputs, int operations, int embedding, int hidden)
    {
        (embedInput, embedOp) = (new Embedding(inputs, embedding), new Embedding(operations, embedding));
        (fc1, fc2, output) = (new Linear(4 * embedding, hidden), new Linear(hidden, hidden), new Linear(hidden, 1));
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add(EmbeddingsOfInputs, embedInput);
        members.Add(EmbeddingsOfOperations, embedOp);
        members.Add("fc1", fc1);
        members.Add("fc2", fc2);
        members.Add(Output, output);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [N, blocks, 4] -> [N]
    {
        var inputs = embedInput.Call(input.Slice(2, 0, 2)).Flatten(2); // [N, blocks, 2 D]
        var operations = embedOp.Call(input.Slice(2, 2, 4)).Flatten(2);
        // The mean, not the sum: cells of more blocks stay where the surrogate has learned.
        var x = Torch.Cat([inputs, operations], 2).Mean([1]);
        return output.Call(fc2.Call(fc1.Call(x).Relu()).Relu()).Sigmoid().Squeeze(1);
    }

    private protected override double InitialRange(string name)
    {
        var layer =
            name.StartsWith("fc1", StringComparison.Ordinal) ? fc1
            : name.StartsWith("fc2", StringComparison.Ordinal) ? fc2
            : output;
        return 1 / Math.Sqrt(layer.Weight.Size(1));
    }
}
