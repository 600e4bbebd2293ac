using Tessera.Nn;

namespace Tessera.Search.Surrogates;

/// <summary>A surrogate that reads a cell as a sequence: two inputs and two operations of each block.</summary>
public sealed class LstmSurrogate : Surrogate
{
    private readonly Embedding embedInput,
        embedOp;
    private readonly Lstm lstm;
    private readonly Linear output;

    /// <summary>A surrogate with the engine's initialisation.</summary>
    /// <param name="inputs">Number of inputs that a block may have.</param>
    /// <param name="operations">Number of operations.</param>
    /// <param name="embedding">Size of their vectors.</param>
    /// <param name="hidden">Width of the state.</param>
    public LstmSurrogate(int inputs, int operations, int embedding, int hidden)
    {
        (embedInput, embedOp) = (new Embedding(inputs, embedding), new Embedding(operations, embedding));
        (lstm, output) = (new Lstm(embedding, hidden), new Linear(hidden, 1));
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add(EmbeddingsOfInputs, embedInput);
        members.Add(EmbeddingsOfOperations, embedOp);
        members.Add("lstm", lstm);
        members.Add(Output, output);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [N, blocks, 4] -> [N]
    {
        // There are few words: what the gates make of each is computed once for all places.
        var (inputs, operations) = (lstm.Words(embedInput.Weight), lstm.Words(embedOp.Weight)); // [V, 4 H]
        Tensor? state = null,
            memory = null;
        for (var block = 0; block < input.Size(1); block++)
        for (var part = 0; part < 4; part++)
        {
            var words = Torch.Embedding(part < 2 ? inputs : operations, input.Select(1, block).Select(1, part));
            (state, memory) = lstm.Step(words, state, memory);
        }
        return output.Call(state ?? throw new ShapeException($"a cell must have at least 1 block: {input.Shape}")).Sigmoid().Squeeze(1);
    }

    private protected override double InitialRange(string name) => 1 / Math.Sqrt(lstm.Width);

    /// <summary>A layer of long short-term memory, whose weights have the names that they have in PyTorch.</summary>
    private sealed class Lstm : Module
    {
        // Input, forget, candidate, output: one above the other.
        private readonly Parameter weightIh, // [4 H, D]
            weightHh, // [4 H, H]
            biasIh,
            biasHh;

        internal Lstm(int inputs, int width)
        {
            Width = width;
            weightIh = Init.FanInUniform(new Parameter([4 * width, inputs]), width);
            weightHh = Init.FanInUniform(new Parameter([4 * width, width]), width);
            biasIh = Init.FanInUniform(new Parameter(4 * width), width);
            biasHh = Init.FanInUniform(new Parameter(4 * width), width);
        }

        internal int Width { get; }

        protected override void ListMembers(Members members)
        {
            members.Add("weight_ih_l0", weightIh);
            members.Add("weight_hh_l0", weightHh);
            members.Add("bias_ih_l0", biasIh);
            members.Add("bias_hh_l0", biasHh);
        }

        internal Tensor Words(Tensor embeddings) => Torch.Linear(embeddings, weightIh, biasIh);

        internal (Tensor State, Tensor Memory) Step(Tensor words, Tensor? state, Tensor? memory) // [N, 4 H]
        {
            var all = words + (state is null ? biasHh : Torch.Linear(state, weightHh, biasHh));
            var (enter, keep, candidate, leave) = (Gate(0).Sigmoid(), Gate(1).Sigmoid(), Gate(2).Tanh(), Gate(3).Sigmoid());
            var next = memory is null ? enter * candidate : keep * memory + enter * candidate;
            return (leave * next.Tanh(), next);

            Tensor Gate(int i) => all.Slice(1, i * Width, (i + 1) * Width);
        }
    }
}
