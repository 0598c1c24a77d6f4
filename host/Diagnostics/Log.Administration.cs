using Microsoft.Extensions.Logging;

namespace PluginServer.Diagnostics;

/// <content>Administration, 4xx.</content>
internal static partial class Log
{
    [LoggerMessage(401, LogLevel.Information, "Administration listens on {Address}; the token for its changes is in {TokenFile}")]
    public static partial void AdministrationListens(ILogger log, string address, string tokenFile);

    [LoggerMessage(402, LogLevel.Warning, "No administration endpoint: {Reason}; the verbs of the command line work, through the control socket")]
    public static partial void AdministrationUnavailable(ILogger log, string reason);

    [LoggerMessage(403, LogLevel.Warning, "No control socket: {Reason}; the verbs of the command line do not reach this host")]
    public static partial void ControlSocketUnavailable(ILogger log, string reason);

    [LoggerMessage(406, LogLevel.Error, "Administration keeps the certificate that it has: {Errors}")]
    public static partial void AdministrationKeepsCertificate(ILogger log, string errors);

    [LoggerMessage(407, LogLevel.Warning, "Administration: {Warning}")]
    public static partial void AdministrationTlsWarning(ILogger log, string warning);

    [LoggerMessage(404, LogLevel.Warning, "systemd is not told how the host is: {Reason}")]
    public static partial void SystemdUnreachable(ILogger log, string reason);

    [LoggerMessage(405, LogLevel.Error, "The host counts as dead, and systemd, whose watchdog is not told otherwise any more, will restart it: {Reason}")]
    public static partial void WatchdogSilent(ILogger log, string reason);
}
