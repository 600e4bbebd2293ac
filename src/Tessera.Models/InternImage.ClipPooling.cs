using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

// The head of the two largest models: attention, as in CLIP, in place of a convolution and a mean.
public sealed partial class InternImage
{
    /// <summary>Attention of the mean token over all tokens, [B, N, 1024] to [B, 768].</summary>
    private sealed partial class ClipPooling : Layer
    {
        [Name("norm1_q")]
        private readonly Sequential normQuery = Norm(ProjectorWidth);

        [Name("norm1_k")]
        private readonly Sequential normKey = Norm(ProjectorWidth);

        [Name("norm1_v")]
        private readonly Sequential normValue = Norm(ProjectorWidth);
        private readonly CrossAttention crossDcn = new();

        protected override Tensor Forward(Tensor input) =>
            crossDcn.Attend(normQuery.Call(input.Mean(1, keepdim: true)), normKey.Call(input), normValue.Call(input)).Squeeze(1);
    }

    /// <summary>Attention with biases of its own for queries, keys and values. Records <c>attention</c>, [B, 16, 1, N].</summary>
    private sealed partial class CrossAttention : Module
    {
        private readonly Parameter qBias = Init.Zeros(new Parameter(ProjectorWidth));
        private readonly Parameter kBias = Init.Zeros(new Parameter(ProjectorWidth));
        private readonly Parameter vBias = Init.Zeros(new Parameter(ProjectorWidth));
        private readonly Linear q = TransformerInit.Linears(new Linear(ProjectorWidth, ProjectorWidth, bias: false));
        private readonly Linear k = TransformerInit.Linears(new Linear(ProjectorWidth, ProjectorWidth, bias: false));
        private readonly Linear v = TransformerInit.Linears(new Linear(ProjectorWidth, ProjectorWidth, bias: false));
        private readonly Linear proj = TransformerInit.Linears(new Linear(ProjectorWidth, ProjectorOutputs));

        public Tensor Attend(Tensor query, Tensor key, Tensor value)
        {
            var (q1, k1, v1) = (Heads(q.Call(query) + qBias), Heads(k.Call(key) + kBias), Heads(v.Call(value) + vBias)); // [B, h, N, d]
            var mixed = Attention.Apply(this, q1, k1, v1);
            return proj.Call(mixed.Transpose(1, 2).Flatten(2));
        }

        private static Tensor Heads(Tensor x) => x.Reshape(x.Size(0), x.Size(1), ProjectorHeads, -1).Transpose(1, 2);
    }
}
