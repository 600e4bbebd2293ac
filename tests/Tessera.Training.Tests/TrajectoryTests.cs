using Tessera.Optim;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TrajectoryTests
{
    public static TheoryData<string> Names =>
        ["sgd", "sgd_nesterov", "sgd_momentum", "adam", "adamw", "adamw_b95", "lamb", "lamb_noclip", "lars", "lars_moco", "rmsprop"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Five_steps_of_an_optimiser_equal_the_reference_to_the_last_digits(string name)
    {
        using var scope = new Scope();
        var golden = new Golden("augmentation/optimizers.json");
        var config = golden.Config["optimizers"]![name]!;
        double Of(string field, double missing = 0) => (double?)config[field] ?? missing;
        var (weight, bias) = (new Parameter(golden.Input("weight")), new Parameter(golden.Input("bias")));
        var (lr, eps, momentum) = (Of("lr"), Of("eps"), Of("momentum"));
        var (beta1, beta2) = config["betas"] is { } betas ? ((double)betas[0]!, (double)betas[1]!) : default;
        ParameterGroup[] groups = [new([("weight", weight), ("bias", bias)], Of("weight_decay"))];
        Optimizer optimizer = (string)config["kind"]! switch
        {
            "sgd" => new Sgd(groups, lr, momentum, (bool)config["nesterov"]!),
            "adam" => new Adam(groups, lr, beta1, beta2, eps),
            "adamw" => new AdamW(groups, lr, beta1, beta2, eps),
            "lamb" => new Lamb(groups, lr, beta1, beta2, eps, (double?)config["max_grad_norm"]),
            "rmsprop" => new Rmsprop(groups, lr, Of("alpha"), eps, momentum),
            "lars_moco" => new Lars(groups, lr, momentum, Of("trust_coeff"), LarsForm.Moco),
            _ => new Lars(groups, lr, momentum, Of("trust_coeff"), eps: eps),
        };
        for (var step = 0; step < 5; step++)
        {
            (weight.Grad, bias.Grad) = (golden.Input($"grad.{step}.weight"), golden.Input($"grad.{step}.bias"));
            optimizer.Step();
            Golden.Equal(golden.Output($"{name}.weight.{step}"), weight.Detach(), 1e-12);
            Golden.Equal(golden.Output($"{name}.bias.{step}"), bias.Detach(), 1e-12);
        }
    }
}
