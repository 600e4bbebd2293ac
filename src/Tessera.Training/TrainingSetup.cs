using Tessera.Distributed;
using Tessera.Models;
using Tessera.Optim;

namespace Tessera.Training;

/// <summary>What a training needs.</summary>
/// <param name="Student">The model.</param>
/// <param name="Objective">The method.</param>
/// <param name="Optimizer">Of the student's and the method's parameters.</param>
/// <param name="Schedule">Length and learning rate.</param>
/// <param name="TopLearningRate">At the top of the schedule.</param>
/// <param name="Data">Batches to learn from.</param>
/// <param name="Test">Batches to measure on; null for no evaluations.</param>
/// <param name="Options">Precision, seed, intervals.</param>
/// <param name="Evaluation">How it is measured.</param>
/// <param name="Scaler">Scales the loss, for float16; null for no scaling.</param>
/// <param name="Group">Processes that train together: batches and tests are the share of this one. Null for one process.</param>
public sealed record TrainingSetup(
    Backbone Student,
    Objective Objective,
    Optimizer Optimizer,
    ScheduleOptions Schedule,
    double TopLearningRate,
    BatchSource Data,
    BatchSource? Test,
    TrainOptions Options,
    EvaluationOptions Evaluation,
    GradientScaler? Scaler = null,
    ProcessGroup? Group = null
);
