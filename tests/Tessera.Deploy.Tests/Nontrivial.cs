using Tessera.Nn;

namespace Tessera.Tests.Deploy;

/// <summary>Weights that show mistakes.</summary>
internal static class Nontrivial
{
    /// <summary>Brings a model to evaluation with parameters and statistics of which none is trivial, always the same.</summary>
    internal static void Prepare(Module model)
    {
        Torch.Seed(1);
        using (Torch.NoGrad())
        {
            foreach (var (name, buffer) in model.NamedBuffers())
            {
                if (name.EndsWith("running_mean", StringComparison.Ordinal))
                    buffer.Normal_(0, 0.2);
                else if (name.EndsWith("running_var", StringComparison.Ordinal))
                    buffer.Uniform_(0.5, 1.5);
            }
            foreach (var (name, parameter) in model.NamedParameters())
            {
                if (parameter.Elements > 0 && parameter.Abs().Max().ToDouble() < 1e-4)
                    parameter.Normal_(0, 0.05);
                // Scores of tokens far apart: rounding shall not choose other ones.
                if (name.Contains("score_predictor", StringComparison.Ordinal))
                    parameter.Mul_(10);
            }
        }
        model.Eval();
    }
}
