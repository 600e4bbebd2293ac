namespace Tessera.Optim;

/// <summary>Stochastic gradient descent with momentum, as PyTorch computes it: decay is added to the gradient.</summary>
/// <param name="groups">The parameters to learn.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="momentum">Share of the last update that is kept.</param>
/// <param name="nesterov">Whether the gradient is taken as if the momentum had been applied already.</param>
/// <param name="dampening">Share of the gradient that does not enter the momentum.</param>
public sealed class Sgd(
    IEnumerable<ParameterGroup> groups,
    double learningRate,
    double momentum = 0,
    bool nesterov = false,
    double dampening = 0
) : Optimizer(groups, learningRate)
{
    /// <inheritdoc/>
    protected override void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step)
    {
        var direction = group.WeightDecay == 0 ? gradient : gradient.Add(parameter, group.WeightDecay);
        if (momentum != 0)
        {
            var before = slot.Get("momentum");
            var velocity = before is null
                ? slot.Get("momentum", () => direction.Clone())
                : before.Mul_(momentum).Add_(direction, 1 - dampening);
            direction = nesterov ? direction.Add(velocity, momentum) : velocity;
        }
        parameter.Add_(direction, -learningRate);
    }
}
