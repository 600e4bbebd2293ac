namespace Tessera.Optim;

/// <summary>
/// The first half of a sharpness-aware step (Foret et al., 2020, arXiv:2010.01412, algorithm 1): parameters are moved uphill
/// along their gradients, all by one joint length. Gradients taken while they are there are those that the optimiser steps
/// by, after <see cref="Dispose"/> has put the parameters back, bit for bit.
/// </summary>
public sealed class SharpnessAware : IDisposable
{
    private readonly List<(Parameter Parameter, Tensor Before)> moved = [];

    /// <summary>Moves parameters by the gradients that they hold; those without gradient stay.</summary>
    /// <param name="parameters">What is moved together.</param>
    /// <param name="rho">Length of the move, above 0.</param>
    /// <param name="adaptive">Measures lengths relative to the weights: moves by w^2 g / | |w| g | (Kwon et al., 2021, arXiv:2102.11600).</param>
    public SharpnessAware(IEnumerable<Parameter> parameters, double rho, bool adaptive = false)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var found = parameters.Where(p => p.Grad is not null).Select(p => (Parameter: p, Gradient: p.Grad!)).ToArray();
        if (found.Length == 0)
            return;
        var norm = Torch
            .Stack([.. found.Select(p => (adaptive ? p.Parameter.Abs() * p.Gradient : p.Gradient).LinalgVectorNorm())])
            .LinalgVectorNorm();
        var factor = rho / (norm + 1e-12);
        foreach (var (parameter, gradient) in found)
        {
            moved.Add((parameter, parameter.Detach().Clone().Keep()));
            parameter.Add_((adaptive ? parameter.Square() * gradient : gradient) * factor);
        }
    }

    /// <summary>Puts the parameters back.</summary>
    public void Dispose()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var (parameter, before) in moved)
        {
            parameter.Copy_(before);
            before.Dispose();
        }
        moved.Clear();
    }
}
